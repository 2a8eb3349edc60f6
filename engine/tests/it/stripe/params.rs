//! What may be an idempotency key, and what may be configured.

use engine::stripe::{Client, ClientConfig, ClientError, IdempotencyKey, InvalidKey};
use secrecy::SecretString;

#[test]
fn a_key_has_1_to_255_visible_characters() {
    assert!(IdempotencyKey::parse("k").is_ok());
    assert!(IdempotencyKey::parse("k".repeat(255)).is_ok());
    for wrong in [
        String::new(),
        "k".repeat(256),
        "a b".into(),
        "a\nb".into(),
        "ä".into(),
        "\u{7f}".into(),
    ] {
        assert_eq!(IdempotencyKey::parse(wrong), Err(InvalidKey));
    }
}

#[test]
fn a_base_that_is_no_address_is_refused() {
    for base in ["", "api.stripe.com", "ftp://api.stripe.com"] {
        let config = ClientConfig::new(base, SecretString::from("sk_test_1"));
        assert!(
            matches!(Client::new(&config), Err(ClientError::Base)),
            "{base}"
        );
    }
}

#[test]
fn a_key_that_cannot_stand_in_a_header_is_refused() {
    let config = ClientConfig::new("http://127.0.0.1:1", SecretString::from("sk_test\n"));
    assert!(matches!(Client::new(&config), Err(ClientError::Key(_))));
}

#[test]
fn the_api_key_is_in_no_debug_output() {
    let config = ClientConfig::new("http://127.0.0.1:1", SecretString::from("sk_test_secret"));
    let client = Client::new(&config).unwrap();
    assert!(!format!("{config:?} {client:?}").contains("sk_test_secret"));
}
