//! Outbound: webhook endpoints may only have public addresses.

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::api_keys;
use super::case::{Case, case};
use super::seen::{Seen, Skip};
use super::visitor::Visitor;

const ENDPOINTS: &str = "/api/v1/webhook_endpoints";

/// Addresses that are refused unless private ones are allowed.
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
            case(url, "422 invalid_field", move |visitor| {
                refused(visitor, url, true).boxed()
            })
        })
        .collect();
    cases.extend(NEVER.into_iter().map(|url| {
        case(
            format!("the address {url:?}"),
            "422 invalid_field",
            move |visitor| refused(visitor, url, false).boxed(),
        )
    }));
    cases.push(case(
        "another account's endpoint",
        "403 or 404, as for an unknown one",
        |visitor| foreign(visitor).boxed(),
    ));
    cases
}

/// An endpoint for an event type that no case causes, so that it gets no delivery.
fn endpoint(url: &str) -> Value {
    json!({"url": url, "enabled_events": ["refund.canceled"]})
}

/// A request with an API key of the account, which an admin created for this case.
fn owned(visitor: &Visitor<'_>, key: &str, method: Method, path: &str) -> RequestBuilder {
    visitor.gateway(method, path).header("X-API-Key", key)
}

async fn refused(visitor: &Visitor<'_>, url: &str, private: bool) -> Result<Seen> {
    let admin = visitor.admin().await?;
    let (_, id, key) = api_keys::create(visitor, &admin).await?;
    let request = owned(visitor, &key, Method::POST, ENDPOINTS);
    let answer = visitor.ask(request.json(&endpoint(url))).await?;
    api_keys::revoke(visitor, &admin, &id).await?;
    if private && answer.is_success() && visitor.target.allows_private {
        return Err(Skip("needs WEBHOOK_ALLOW_PRIVATE off").into());
    }
    let named = answer.field("param") == "url";
    Seen::all(
        [
            answer.refused(&["422 invalid_field"])?,
            Seen::new(named, "another param than url")?,
        ],
        "422 invalid_field, param url",
    )
}

async fn foreign(visitor: &Visitor<'_>) -> Result<Seen> {
    let (admin, stranger) = (visitor.admin().await?, visitor.user().await?);
    let (_, id, key) = api_keys::create(visitor, &admin).await?;
    let request = owned(visitor, &key, Method::POST, ENDPOINTS);
    let made = visitor
        .ask(request.json(&endpoint("https://93.184.215.14/hook")))
        .await?;
    if !made.is_success() {
        return Seen::new(
            false,
            format!("an endpoint could not be made: {}", made.status_and_code()),
        );
    }
    let path = format!("{ENDPOINTS}/{}", made.field("id"));
    let unknown_path = format!("{ENDPOINTS}/we_01h2xcejqtf2nbrexx3vqjhp41");
    let read = visitor.get(&stranger.token, &path).await?;
    let unknown = visitor.get(&stranger.token, &unknown_path).await?;
    let request = visitor.gateway(Method::DELETE, &path);
    let gone = visitor.ask(request.bearer_auth(&stranger.token)).await?;
    let own = visitor
        .ask(owned(visitor, &key, Method::GET, &path))
        .await?;
    visitor
        .ask(owned(visitor, &key, Method::DELETE, &path))
        .await?;
    api_keys::revoke(visitor, &admin, &id).await?;
    let secret = own.text.contains("whsec_");
    Seen::new(
        matches!(read.status, 403 | 404)
            && read.same(&unknown)
            && gone.status == read.status
            && own.status == 200
            && !secret,
        format!(
            "read {}, delete {}, its owner {}{}",
            read.status_and_code(),
            gone.status_and_code(),
            own.status_and_code(),
            if secret { ", with the secret" } else { "" }
        ),
    )
}
