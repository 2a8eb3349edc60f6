//! Webhooks: nothing is believed that Stripe did not sign, over these very bytes, now.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use aws_lc_rs::hmac;
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, Seen, case};
use super::visit::{Visit, word};

const REFUSED: &str = "400 webhook_invalid";

/// Makes the header from the time, and the tag of the time and the body.
type Header = fn(i64, &dyn Fn(i64) -> String) -> String;

/// Signatures that are not good enough, made with the right secret.
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
            |visit| unsigned(visit).boxed(),
        ),
        case("signed by an empty secret", REFUSED, |visit| {
            empty(visit).boxed()
        }),
        case(
            "signed by Stripe (so that the others mean something)",
            "2xx",
            |visit| genuine(visit).boxed(),
        ),
        case("one good v1 among several", "2xx", |visit| {
            among(visit).boxed()
        }),
        case(
            "the same event again",
            "2xx, and nothing changes",
            |visit| replayed(visit).boxed(),
        ),
        case("the same JSON with other bytes", REFUSED, |visit| {
            reserialised(visit).boxed()
        }),
        case(
            "of live mode, and of another account",
            "2xx, and nothing changes",
            |visit| mismatch(visit).boxed(),
        ),
        case("signed, and no event", REFUSED, |visit| {
            no_event(visit).boxed()
        }),
    ];
    cases.extend(
        SIGNED
            .into_iter()
            .map(|(name, header)| case(name, REFUSED, move |visit| signed(visit, header).boxed())),
    );
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

/// An event about an intent that nobody knows.
fn event() -> String {
    about(&format!("pi_{}", word()), false, "payment_intent.succeeded")
}

fn about(intent: &str, livemode: bool, kind: &str) -> String {
    json!({
        "id": format!("evt_{}", word()), "object": "event", "type": kind, "created": now(), "livemode": livemode,
        "data": {"object": {"id": intent, "object": "payment_intent", "status": "succeeded", "amount": 1, "currency": "eur"}},
    })
    .to_string()
}

async fn deliver(visit: &Visit<'_>, body: &str, signature: Option<&str>) -> Result<Answer> {
    let request = visit
        .gateway(Method::POST, "/webhooks/stripe")
        .header("Content-Type", "application/json");
    let request = match signature {
        Some(signature) => request.header("Stripe-Signature", signature),
        None => request,
    };
    visit.ask(request.body(body.to_owned())).await
}

async fn deliver_signed(visit: &Visit<'_>, body: &str) -> Result<Answer> {
    let time = now();
    let signature = format!("t={time},v1={}", tag(visit.webhook_secret()?, time, body));
    deliver(visit, body, Some(&signature)).await
}

async fn unsigned(visit: &Visit<'_>) -> Result<Seen> {
    let body = event();
    let wrong = format!("t={},v1={}", now(), tag("whsec_another", now(), &body));
    let zeros = format!("t={},v1={}", now(), "0".repeat(64));
    let mut seen = vec![deliver(visit, &body, None).await?.refused(&[REFUSED])?];
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
            deliver(visit, &body, Some(signature))
                .await?
                .refused(&[REFUSED])?,
        );
    }
    Seen::all(seen, REFUSED)
}

async fn empty(visit: &Visit<'_>) -> Result<Seen> {
    let body = event();
    // HMAC takes no key of no bytes here: one zero byte is padded to the same (RFC 2104).
    let signature = format!("t={},v1={}", now(), tag("\u{0}", now(), &body));
    deliver(visit, &body, Some(&signature))
        .await?
        .refused(&[REFUSED])
}

async fn signed(visit: &Visit<'_>, header: Header) -> Result<Seen> {
    let secret = visit.webhook_secret()?;
    let body = event();
    let signature = header(now(), &|time| tag(secret, time, &body));
    deliver(visit, &body, Some(&signature))
        .await?
        .refused(&[REFUSED])
}

async fn genuine(visit: &Visit<'_>) -> Result<Seen> {
    let answer = deliver_signed(visit, &event()).await?;
    Seen::of(answer.is_success(), answer.told())
}

async fn among(visit: &Visit<'_>) -> Result<Seen> {
    let (body, time) = (event(), now());
    let good = tag(visit.webhook_secret()?, time, &body);
    let signature = format!("t={time},v0=00,v1={},v1={good},v1=", "0".repeat(64));
    let answer = deliver(visit, &body, Some(&signature)).await?;
    Seen::of(answer.is_success(), answer.told())
}

async fn replayed(visit: &Visit<'_>) -> Result<Seen> {
    let (body, time) = (event(), now());
    let signature = format!("t={time},v1={}", tag(visit.webhook_secret()?, time, &body));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = deliver(visit, &body, Some(&signature)).await?;
        seen.push(Seen::of(answer.is_success(), answer.told())?);
    }
    Seen::all(seen, "200, three times")
}

async fn reserialised(visit: &Visit<'_>) -> Result<Seen> {
    let (body, time) = (event(), now());
    let signature = format!("t={time},v1={}", tag(visit.webhook_secret()?, time, &body));
    let spaced = body.replacen(':', ": ", 1);
    deliver(visit, &spaced, Some(&signature))
        .await?
        .refused(&[REFUSED])
}

async fn mismatch(visit: &Visit<'_>) -> Result<Seen> {
    visit.webhook_secret()?;
    let user = visit.user().await?;
    let payment = super::objects::payment(visit, &user).await?;
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
        let answer = deliver_signed(visit, &event.to_string()).await?;
        seen.push(Seen::of(answer.is_success(), answer.told())?);
    }
    // A webhook is applied a moment after it came; what is parked is not applied later either.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let after = visit.get(&user.token, &path).await?.json();
    seen.push(Seen::of(
        after["status"] != "succeeded",
        "the payment succeeded",
    )?);
    Seen::all(seen, "200, and the payment did not succeed")
}

async fn no_event(visit: &Visit<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for body in ["", "{}", "[]", "null", "{\"id\":\"evt_1\"}", "no JSON"] {
        seen.push(deliver_signed(visit, body).await?.refused(&[REFUSED])?);
    }
    Seen::all(seen, REFUSED)
}
