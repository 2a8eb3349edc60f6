//! Webhooks: only an event with a fresh signature of Stripe over its exact bytes is accepted.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use aws_lc_rs::hmac;
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::{Visitor, random_text};

const REFUSED: &str = "400 webhook_invalid";

/// Builds the header from the time and the signature of time and body.
type Header = fn(i64, &dyn Fn(i64) -> String) -> String;

/// Invalid headers with a signature of the right secret.
const SIGNED: [(&str, Header); 6] = [
    ("a v0 alone", |now, tag| format!("t={now},v0={}", tag(now))),
    ("301 s old", |now, tag| {
        format!("t={},v1={}", now - 302, tag(now - 302))
    }),
    ("301 s ahead", |now, tag| {
        format!("t={},v1={}", now + 303, tag(now + 303))
    }),
    ("of another time", |now, tag| {
        format!("t={now},v1={}", tag(now - 1))
    }),
    ("without a time", |now, tag| format!("v1={}", tag(now))),
    ("cut short", |now, tag| {
        format!("t={now},v1={}", &tag(now)[..32])
    }),
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case(
            "no signature, an empty one, garbage, a wrong one",
            REFUSED,
            |visitor| unsigned(visitor).boxed(),
        ),
        case("signed by an empty secret", REFUSED, |visitor| {
            empty(visitor).boxed()
        }),
        case(
            "signed by Stripe (so that the others mean something)",
            "2xx",
            |visitor| genuine(visitor).boxed(),
        ),
        case("one good v1 among several", "2xx", |visitor| {
            among(visitor).boxed()
        }),
        case(
            "the same event again",
            "2xx, and nothing changes",
            |visitor| replayed(visitor).boxed(),
        ),
        case("the same JSON with other bytes", REFUSED, |visitor| {
            reserialised(visitor).boxed()
        }),
        case(
            "of live mode, and of another account",
            "2xx, and nothing changes",
            |visitor| mismatch(visitor).boxed(),
        ),
        case(
            "signed, and no event",
            "2xx: it is kept as not understood",
            |visitor| no_event(visitor).boxed(),
        ),
    ];
    cases.extend(SIGNED.into_iter().map(|(name, header)| {
        case(name, REFUSED, move |visitor| {
            signed(visitor, header).boxed()
        })
    }));
    cases
}

fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or_default()
}

fn tag(secret: &str, time: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, format!("{time}.{body}").as_bytes()))
}

/// An event about an unknown intent.
fn event() -> String {
    about(
        &format!("pi_{}", random_text()),
        false,
        "payment_intent.succeeded",
    )
}

fn about(intent: &str, livemode: bool, kind: &str) -> String {
    json!({
        "id": format!("evt_{}", random_text()), "object": "event", "type": kind, "created": now(), "livemode": livemode,
        "data": {"object": {"id": intent, "object": "payment_intent", "status": "succeeded", "amount": 1, "currency": "eur"}},
    })
    .to_string()
}

async fn deliver(visitor: &Visitor<'_>, body: &str, signature: Option<&str>) -> Result<Answer> {
    let request = visitor
        .gateway(Method::POST, "/webhooks/stripe")
        .header("Content-Type", "application/json");
    let request = match signature {
        Some(signature) => request.header("Stripe-Signature", signature),
        None => request,
    };
    visitor.ask(request.body(body.to_owned())).await
}

async fn deliver_signed(visitor: &Visitor<'_>, body: &str) -> Result<Answer> {
    let time = now();
    let signature = format!("t={time},v1={}", tag(visitor.webhook_secret()?, time, body));
    deliver(visitor, body, Some(&signature)).await
}

async fn unsigned(visitor: &Visitor<'_>) -> Result<Seen> {
    let body = event();
    let wrong = format!("t={},v1={}", now(), tag("whsec_another", now(), &body));
    let zeros = format!("t={},v1={}", now(), "0".repeat(64));
    let mut seen = vec![deliver(visitor, &body, None).await?.refused(&[REFUSED])?];
    for signature in [
        "",
        "t=",
        "v1=",
        "nonsense",
        "t=1,v1=",
        "t=99999999999999999999,v1=00",
        &wrong,
        &zeros,
    ] {
        seen.push(
            deliver(visitor, &body, Some(signature))
                .await?
                .refused(&[REFUSED])?,
        );
    }
    Seen::all(seen, REFUSED)
}

async fn empty(visitor: &Visitor<'_>) -> Result<Seen> {
    let body = event();
    // The library accepts no empty key; a key of one zero byte is padded to the same (RFC 2104).
    let signature = format!("t={},v1={}", now(), tag("\u{0}", now(), &body));
    deliver(visitor, &body, Some(&signature))
        .await?
        .refused(&[REFUSED])
}

async fn signed(visitor: &Visitor<'_>, header: Header) -> Result<Seen> {
    let secret = visitor.webhook_secret()?;
    let body = event();
    let signature = header(now(), &|time| tag(secret, time, &body));
    deliver(visitor, &body, Some(&signature))
        .await?
        .refused(&[REFUSED])
}

async fn genuine(visitor: &Visitor<'_>) -> Result<Seen> {
    let answer = deliver_signed(visitor, &event()).await?;
    Seen::new(answer.is_success(), answer.status_and_code())
}

async fn among(visitor: &Visitor<'_>) -> Result<Seen> {
    let (body, time) = (event(), now());
    let good = tag(visitor.webhook_secret()?, time, &body);
    let signature = format!("t={time},v0=00,v1={},v1={good},v1=", "0".repeat(64));
    let answer = deliver(visitor, &body, Some(&signature)).await?;
    Seen::new(answer.is_success(), answer.status_and_code())
}

async fn replayed(visitor: &Visitor<'_>) -> Result<Seen> {
    let (body, time) = (event(), now());
    let signature = format!(
        "t={time},v1={}",
        tag(visitor.webhook_secret()?, time, &body)
    );
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = deliver(visitor, &body, Some(&signature)).await?;
        seen.push(Seen::new(answer.is_success(), answer.status_and_code())?);
    }
    Seen::all(seen, "200, three times")
}

async fn reserialised(visitor: &Visitor<'_>) -> Result<Seen> {
    let (body, time) = (event(), now());
    let signature = format!(
        "t={time},v1={}",
        tag(visitor.webhook_secret()?, time, &body)
    );
    let spaced = body.replacen(':', ": ", 1);
    deliver(visitor, &spaced, Some(&signature))
        .await?
        .refused(&[REFUSED])
}

async fn mismatch(visitor: &Visitor<'_>) -> Result<Seen> {
    visitor.webhook_secret()?;
    let user = visitor.user().await?;
    let payment = super::objects::payment(visitor, &user).await?;
    let path = format!(
        "/api/v1/payments/{}",
        payment["id"].as_str().unwrap_or_default()
    );
    let id = payment["id"].as_str().unwrap_or_default();
    let mut seen = Vec::new();
    for (livemode, account) in [(true, None), (false, Some("acct_stranger"))] {
        let mut event: serde_json::Value =
            serde_json::from_str(&about("pi_nobody", livemode, "payment_intent.succeeded"))?;
        event["data"]["object"]["metadata"] = json!({"payment_id": id});
        if let Some(account) = account {
            event["account"] = account.into();
        }
        let answer = deliver_signed(visitor, &event.to_string()).await?;
        seen.push(Seen::new(answer.is_success(), answer.status_and_code())?);
    }
    // A webhook is applied shortly after it was received; a deferred one must not be applied later either.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let after = visitor.get(&user.token, &path).await?.json();
    seen.push(Seen::new(
        after["status"] != "succeeded",
        "the payment succeeded",
    )?);
    Seen::all(seen, "200, and the payment did not succeed")
}

async fn no_event(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for body in ["", "{}", "[]", "null", "{\"id\":\"evt_1\"}", "no JSON"] {
        let answer = deliver_signed(visitor, body).await?;
        seen.push(Seen::new(answer.is_success(), answer.status_and_code())?);
    }
    Seen::all(seen, "200")
}
