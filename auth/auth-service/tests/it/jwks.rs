//! The public keys, and that nothing private is among them.

use auth_service::{Signer, signer};
use reqwest::StatusCode;
use serde_json::Value;

use crate::{Stage, secret};

#[tokio::test]
async fn the_key_set_shows_public_members_only() {
    let stage = Stage::start().await;
    let response = stage.get("/.well-known/jwks.json").await;
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = response.json().await.unwrap();
    let keys = body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut members: Vec<_> = keys[0].as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(keys[0]["kty"], "OKP");
    assert_eq!(keys[0]["crv"], "Ed25519");
    assert_eq!(keys[0]["alg"], "EdDSA");
    assert_eq!(keys[0]["use"], "sig");
}

/// RFC 8037, appendix A.1 to A.3: this key has this thumbprint.
#[test]
fn the_key_id_is_the_thumbprint_of_rfc_7638() {
    let base64 = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    let signer = Signer::new(&secret(base64), "pawl", "pawl-api").unwrap();
    let key = &signer.key_set().keys[0];
    assert_eq!(
        key.common.key_id.as_deref(),
        Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );
}

#[test]
fn a_private_key_is_read_as_pem_with_real_or_written_line_breaks_and_as_base64() {
    use infra::env::ExposeSecret;
    let pem = signer::generate().unwrap();
    let id = |text: &str| {
        let signer = Signer::new(&secret(text), "pawl", "pawl-api").unwrap();
        signer.key_set().keys[0].common.key_id.clone().unwrap()
    };
    let written = pem.expose_secret().replace('\n', "\\n");
    let base64: String = pem
        .expose_secret()
        .lines()
        .filter(|line| !line.contains("---"))
        .collect();
    assert_eq!(id(pem.expose_secret()), id(&written));
    assert_eq!(id(pem.expose_secret()), id(&base64));
    assert_ne!(
        id(pem.expose_secret()),
        id(signer::generate().unwrap().expose_secret())
    );
}
