//! Tokens: every token but a genuine, valid access token of Pawl is refused with the same 401.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::case::{Case, case};
use super::forge::Forge;
use super::seen::Seen;
use super::visitor::{Visitor, host, read, status};

const PATH: &str = "/api/v1/payments?limit=1";
const GENERIC: &str = "401, the one answer";

type Change = fn(Forge) -> Forge;
type Forgery = fn(&Forge, &[u8]) -> String;

/// Forgeries that need only a token and the public key.
const UNKEYED: [(&str, Forgery); 12] = [
    ("alg none, no signature", |forge, _| {
        forge.clone().head("alg", json!("none")).unsigned()
    }),
    ("alg NonE, genuine signature", |forge, _| {
        forge.clone().head("alg", json!("NonE")).copied()
    }),
    ("the signature cut off", |forge, _| forge.unsigned()),
    (
        "HS256 with the public key's bytes as the secret",
        |forge, public| forge.clone().head("alg", json!("HS256")).hmac(public),
    ),
    (
        "HS256 with the public key in PEM as the secret",
        |forge, public| {
            let pem = format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                spki(public)
            );
            forge
                .clone()
                .head("alg", json!("HS256"))
                .hmac(pem.as_bytes())
        },
    ),
    ("HS256 with the JWK's x as the secret", |forge, public| {
        forge
            .clone()
            .head("alg", json!("HS256"))
            .hmac(URL_SAFE_NO_PAD.encode(public).as_bytes())
    }),
    ("an unknown kid", |forge, _| {
        forge.clone().head("kid", json!("nobody")).copied()
    }),
    ("no kid", |forge, _| {
        forge.clone().head("kid", Value::Null).copied()
    }),
    ("a kid that is a path", |forge, _| {
        forge
            .clone()
            .head("kid", json!("../../../../../dev/null"))
            .head("alg", json!("HS256"))
            .hmac(b"")
    }),
    ("a kid that is SQL", |forge, _| {
        forge.clone().head("kid", json!("' or '1'='1")).copied()
    }),
    ("a changed payload: role admin", |forge, _| {
        forge.clone().claim("role", json!("admin")).copied()
    }),
    ("another algorithm's name", |forge, _| {
        forge.clone().head("alg", json!("RS256")).copied()
    }),
];

/// Wrong claims and headers under a valid signature.
const KEYED: [(&str, Change); 16] = [
    ("another aud", |forge| {
        forge.claim("aud", json!("somebody-else"))
    }),
    ("no aud", |forge| forge.claim("aud", Value::Null)),
    ("another iss", |forge| {
        forge.claim("iss", json!("somebody-else"))
    }),
    ("no iss", |forge| forge.claim("iss", Value::Null)),
    ("expired", |forge| forge.claim("exp", json!(now() - 3600))),
    ("nbf in the future", |forge| {
        forge.claim("nbf", json!(now() + 3600))
    }),
    ("exp as a string", |forge| {
        forge.claim("exp", json!((now() + 600).to_string()))
    }),
    ("nbf as a string", |forge| forge.claim("nbf", json!("0"))),
    ("no exp", |forge| forge.claim("exp", Value::Null)),
    ("exp null", |forge| {
        let mut forge = forge;
        forge.claims["exp"] = Value::Null;
        forge
    }),
    ("no sub", |forge| forge.claim("sub", Value::Null)),
    ("sub that is no user", |forge| {
        forge.claim("sub", json!("admin"))
    }),
    ("typ of another token", |forge| {
        forge.head("typ", json!("refresh+jwt"))
    }),
    ("no typ", |forge| forge.head("typ", Value::Null)),
    ("an unknown crit", |forge| {
        forge.head("crit", json!(["exp"]))
    }),
    ("an unknown role", |forge| {
        forge.claim("role", json!("root"))
    }),
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case(
            "a genuine token (so that the others mean something)",
            "200",
            |visitor| genuine(visitor).boxed(),
        ),
        case("none, empty, garbage, another scheme", GENERIC, |visitor| {
            unusable(visitor).boxed()
        }),
        case("Authorization given twice", GENERIC, |visitor| {
            twice(visitor).boxed()
        }),
        case("in the query string", GENERIC, |visitor| {
            query(visitor).boxed()
        }),
        case("a refresh token as access token", GENERIC, |visitor| {
            refresh(visitor).boxed()
        }),
        case(
            "signed by a key that it brings in jwk",
            GENERIC,
            |visitor| own_key(visitor).boxed(),
        ),
        case(
            "jku and x5u that lead to us",
            "401, and no request for the key",
            |visitor| own_address(visitor).boxed(),
        ),
        case("of 64 KB", "401 or 431 within 2 s", |visitor| {
            huge(visitor).boxed()
        })
        .alone(),
        case(
            "re-signed unchanged with the signing key",
            "200",
            |visitor| resigned(visitor).boxed(),
        ),
    ];
    cases.extend(UNKEYED.into_iter().map(|(name, forgery)| {
        case(name, GENERIC, move |visitor| {
            forged(visitor, forgery).boxed()
        })
    }));
    cases.extend(KEYED.into_iter().map(|(name, change)| {
        case(name, GENERIC, move |visitor| {
            changed(visitor, change).boxed()
        })
    }));
    cases
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// An Ed25519 public key as `SubjectPublicKeyInfo` (RFC 8410), in base64.
fn spki(public: &[u8]) -> String {
    const PREFIX: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    STANDARD.encode([&PREFIX[..], public].concat())
}

async fn public_key(visitor: &Visitor<'_>) -> Result<Vec<u8>> {
    let keys = visitor
        .ask(visitor.bare_auth(Method::GET, "/.well-known/jwks.json"))
        .await?;
    let key = keys.json()["keys"][0]["x"]
        .as_str()
        .context("the JWKS shows no Ed25519 key")?
        .to_owned();
    Ok(URL_SAFE_NO_PAD.decode(key)?)
}

async fn genuine(visitor: &Visitor<'_>) -> Result<Seen> {
    let answer = visitor.get(&visitor.user().await?.token, PATH).await?;
    Seen::new(answer.status == 200, answer.status_and_code())
}

async fn unusable(visitor: &Visitor<'_>) -> Result<Seen> {
    let none = visitor.ask(visitor.gateway(Method::GET, PATH)).await?;
    let mut seen = vec![none.generic()?];
    let token = visitor.user().await?.token;
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a.b.c",
        "Basic YTpi",
        "Bearer \u{e9}",
        &format!("Token {token}"),
    ] {
        let answer = visitor
            .ask(
                visitor
                    .gateway(Method::GET, PATH)
                    .header("Authorization", header),
            )
            .await?;
        seen.push(answer.generic()?);
        seen.push(Seen::new(
            answer.same(&none),
            format!("another body for {header:?}"),
        )?);
    }
    Seen::all(seen, "401 unauthenticated, one body for all")
}

async fn twice(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let request = visitor.gateway(Method::GET, PATH).bearer_auth(&token);
    visitor
        .ask(request.header("Authorization", "Bearer a.b.c"))
        .await?
        .generic()
}

async fn query(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let path = format!("/api/v1/payments?access_token={token}");
    visitor
        .ask(visitor.gateway(Method::GET, &path))
        .await?
        .generic()
}

async fn refresh(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    if user.refresh.is_empty() {
        return Seen::new(false, "a login without refresh_token");
    }
    visitor.get(&user.refresh, PATH).await?.generic()
}

async fn forged(visitor: &Visitor<'_>, forgery: Forgery) -> Result<Seen> {
    let forge = Forge::parse(&visitor.user().await?.token)?;
    let token = forgery(&forge, &public_key(visitor).await?);
    visitor.get(&token, PATH).await?.generic()
}

async fn changed(visitor: &Visitor<'_>, change: Change) -> Result<Seen> {
    let key = visitor.signing_key()?;
    let forge = Forge::parse(&visitor.user().await?.token)?;
    visitor
        .get(&change(forge).signed(key), PATH)
        .await?
        .generic()
}

async fn resigned(visitor: &Visitor<'_>) -> Result<Seen> {
    let key = visitor.signing_key()?;
    let forge = Forge::parse(&visitor.user().await?.token)?;
    let answer = visitor.get(&forge.signed(key), PATH).await?;
    Seen::new(answer.status == 200, answer.status_and_code())
}

async fn own_key(visitor: &Visitor<'_>) -> Result<Seen> {
    let key = Ed25519KeyPair::generate().ok().context("no randomness")?;
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "ours"});
    let forge = Forge::parse(&visitor.user().await?.token)?;
    let kept = forge.clone().head("jwk", jwk.clone()).signed(&key);
    let seen = visitor.get(&kept, PATH).await?.generic()?;
    let renamed = forge
        .head("jwk", jwk)
        .head("kid", json!("ours"))
        .signed(&key);
    Seen::all(
        [seen, visitor.get(&renamed, PATH).await?.generic()?],
        "401 unauthenticated",
    )
}

async fn own_address(visitor: &Visitor<'_>) -> Result<Seen> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let ours = format!("http://{}/keys", listener.local_addr()?);
    let forge = Forge::parse(&visitor.user().await?.token)?;
    let mut seen = Vec::new();
    for name in ["jku", "x5u"] {
        let token = forge
            .clone()
            .head(name, json!(ours))
            .head("kid", json!(format!("{name}-kid")))
            .copied();
        seen.push(visitor.get(&token, PATH).await?.generic()?);
    }
    // A service that fetches the key does so before it answers, and all answers have arrived.
    let came = tokio::time::timeout(Duration::from_millis(300), listener.accept())
        .await
        .is_ok();
    seen.push(Seen::new(!came, "a request for our key")?);
    Seen::all(seen, "401 unauthenticated, and no request for the key")
}

async fn huge(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = "a".repeat(64 * 1024);
    let service = &visitor.target.gateway;
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        host(service)
    );
    let start = Instant::now();
    let mut stream = visitor.connect(service).await?;
    let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await;
    let answer = read(&mut stream, Duration::from_secs(5)).await;
    let quick = start.elapsed() < Duration::from_secs(2);
    Seen::new(
        quick && matches!(status(&answer), 401 | 431),
        format!("{} after {:.1?}", status(&answer), start.elapsed()),
    )
}
