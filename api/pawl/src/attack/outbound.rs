//! Outbound: the addresses that merchants give lead to the internet and nowhere else.

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::api_keys;
use super::case::{Case, Seen, Skip, case};
use super::visit::Visit;

const ENDPOINTS: &str = "/api/v1/webhook_endpoints";

/// Addresses that are refused wherever private ones are.
const PRIVATE: [&str; 22] = [
    "https://127.0.0.1/hook",
    "https://localhost/hook",
    "https://localhost./hook",
    "https://10.0.0.1/hook",
    "https://172.16.0.1/hook",
    "https://192.168.1.1/hook",
    "https://100.64.0.1/hook",
    "https://169.254.169.254/latest/meta-data/",
    "https://0.0.0.0/hook",
    "https://[::1]/hook",
    "https://[::]/hook",
    "https://[fd00::1]/hook",
    "https://[fe80::1]/hook",
    "https://[::ffff:127.0.0.1]/hook",
    "https://[64:ff9b::7f00:1]/hook",
    "https://2130706433/hook",
    "https://0x7f000001/hook",
    "https://0177.0.0.1/hook",
    "https://127.1/hook",
    "https://224.0.0.1/hook",
    "https://255.255.255.255/hook",
    "http://203.0.113.1/hook",
];

/// Addresses that are refused everywhere.
const NEVER: [&str; 8] = [
    "",
    "hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "https://user:password@example.com/",
    "https://",
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = PRIVATE
        .into_iter()
        .map(|url| {
            case(url, "422 invalid_field", move |visit| {
                refused(visit, url, true).boxed()
            })
        })
        .collect();
    cases.extend(NEVER.into_iter().map(|url| {
        case(
            format!("the address {url:?}"),
            "422 invalid_field",
            move |visit| refused(visit, url, false).boxed(),
        )
    }));
    cases.push(case(
        "another account's endpoint",
        "403 or 404, as for an unknown one",
        |visit| foreign(visit).boxed(),
    ));
    cases
}

/// An endpoint that is told of nothing while it is there: no case cancels a refund.
fn endpoint(url: &str) -> Value {
    json!({"url": url, "enabled_events": ["refund.canceled"]})
}

/// A request of the account's own key, which an admin made for this case.
fn owned(visit: &Visit<'_>, key: &str, method: Method, path: &str) -> RequestBuilder {
    visit.gateway(method, path).header("X-API-Key", key)
}

async fn refused(visit: &Visit<'_>, url: &str, private: bool) -> Result<Seen> {
    let admin = visit.admin().await?;
    let (_, id, key) = api_keys::create(visit, &admin).await?;
    let request = owned(visit, &key, Method::POST, ENDPOINTS);
    let answer = visit.ask(request.json(&endpoint(url))).await?;
    api_keys::revoke(visit, &admin, &id).await?;
    if private && answer.is_success() && visit.target.allows_private {
        return Err(Skip("needs WEBHOOK_ALLOW_PRIVATE off").into());
    }
    let named = answer.field("param") == "url";
    Seen::all(
        [
            answer.refused(&["422 invalid_field"])?,
            Seen::of(named, "another param than url")?,
        ],
        "422 invalid_field, param url",
    )
}

async fn foreign(visit: &Visit<'_>) -> Result<Seen> {
    let (admin, stranger) = (visit.admin().await?, visit.user().await?);
    let (_, id, key) = api_keys::create(visit, &admin).await?;
    let request = owned(visit, &key, Method::POST, ENDPOINTS);
    let made = visit
        .ask(request.json(&endpoint("https://93.184.215.14/hook")))
        .await?;
    if !made.is_success() {
        return Seen::of(
            false,
            format!("an endpoint could not be made: {}", made.told()),
        );
    }
    let path = format!("{ENDPOINTS}/{}", made.field("id"));
    let nobodys = format!("{ENDPOINTS}/we_01h2xcejqtf2nbrexx3vqjhp41");
    let read = visit.get(&stranger.token, &path).await?;
    let unknown = visit.get(&stranger.token, &nobodys).await?;
    let request = visit.gateway(Method::DELETE, &path);
    let gone = visit.ask(request.bearer_auth(&stranger.token)).await?;
    let own = visit.ask(owned(visit, &key, Method::GET, &path)).await?;
    visit.ask(owned(visit, &key, Method::DELETE, &path)).await?;
    api_keys::revoke(visit, &admin, &id).await?;
    let secret = own.text.contains("whsec_");
    Seen::of(
        matches!(read.status, 403 | 404)
            && read.same(&unknown)
            && gone.status == read.status
            && own.status == 200
            && !secret,
        format!(
            "read {}, delete {}, its owner {}{}",
            read.told(),
            gone.told(),
            own.told(),
            if secret { ", with the secret" } else { "" }
        ),
    )
}
