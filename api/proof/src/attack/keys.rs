//! The public side of the signing keys.

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::Method;

use super::case::{Case, case};
use super::forge::Forge;
use super::seen::Seen;
use super::visitor::Visitor;

/// Members of a JWK that only the holder of the private key may know (RFC 7517, RFC 7518).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "JWKS, without an API key",
            "public members only, each key with kid",
            |visitor| public(visitor).boxed(),
        ),
        case(
            "tokens name their key",
            "EdDSA or RS256, and a kid that JWKS shows",
            |visitor| named(visitor).boxed(),
        ),
    ]
}

async fn public(visitor: &Visitor<'_>) -> Result<Seen> {
    let answer = visitor
        .ask(visitor.bare_auth(Method::GET, "/.well-known/jwks.json"))
        .await?;
    let keys = answer.json()["keys"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if let Some(member) = PRIVATE
        .iter()
        .find(|member| keys.iter().any(|key| !key[**member].is_null()))
    {
        return Seen::new(false, format!("{member:?} of a key"));
    }
    let named = keys.iter().all(|key| key["kid"].is_string());
    Seen::new(
        answer.status == 200 && !keys.is_empty() && named,
        format!("{} with {} keys", answer.status, keys.len()),
    )
}

async fn named(visitor: &Visitor<'_>) -> Result<Seen> {
    let header = Forge::parse(&visitor.user().await?.token)?.header;
    let answer = visitor
        .ask(visitor.bare_auth(Method::GET, "/.well-known/jwks.json"))
        .await?;
    let keys = answer.json()["keys"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let shown = keys
        .iter()
        .any(|key| key["kid"] == header["kid"] && key["kid"].is_string());
    let sound = header["alg"] == "EdDSA" || header["alg"] == "RS256";
    Seen::new(
        shown && sound,
        format!(
            "{}, kid {}",
            header["alg"],
            if shown { "shown" } else { "unknown" }
        ),
    )
}
