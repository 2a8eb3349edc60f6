//! The settings that the binary reads from its arguments and environment.

use clap::Parser;
use stripe_simulator::{Config, Settings};

use crate::support::{Endpoint, SECRET, Simulator, quick};

fn config(arguments: &[&str]) -> Config {
    let arguments = ["stripe-simulator"].iter().chain(arguments);
    Settings::try_parse_from(arguments).unwrap().into()
}

#[test]
fn the_endpoint_is_signed_for_with_the_first_secret() {
    let config = config(&[
        "--webhook-url",
        "http://127.0.0.1:8080/webhooks/stripe",
        "--webhook-secret",
        "whsec_new, whsec_old",
    ]);
    assert_eq!(config.endpoints.len(), 1);
    assert_eq!(config.endpoints[0].secret, "whsec_new");
    assert_eq!(config.endpoints[0].enabled_events, ["*"]);
}

#[test]
fn empty_settings_count_as_not_given() {
    let config = config(&[
        "--webhook-url=",
        "--webhook-secret=",
        "--public-url=",
        "--state-file=",
        "--shop-gateway-url=",
        "--shop-api-key=",
    ]);
    assert!(config.endpoints.is_empty() && config.shop.is_none());
    assert!(config.public_url.is_none() && config.state_file.is_none());
}

#[test]
fn a_wrong_setting_is_named() {
    let fault = Settings::try_parse_from(["stripe-simulator", "--addr", "nowhere"]).unwrap_err();
    assert!(fault.to_string().contains("--addr"), "{fault}");
}

#[test]
fn the_shops_key_is_not_shown() {
    let config = config(&[
        "--shop-gateway-url=http://127.0.0.1:8080",
        "--shop-api-key=very-secret",
    ]);
    assert!(!format!("{config:?}").contains("very-secret"));
}

#[tokio::test]
async fn an_endpoint_of_the_configuration_is_sent_events_from_the_start() {
    let endpoint = Endpoint::start(0).await;
    let known = stripe_simulator::WebhookEndpoint {
        url: endpoint.url.clone(),
        secret: SECRET.to_owned(),
        enabled_events: vec!["payment_intent.*".to_owned()],
    };
    let stripe = Simulator::with(Config {
        endpoints: vec![known],
        ..quick()
    })
    .await;
    stripe.paid("pm_card_visa").await;
    assert!(
        endpoint
            .receive(2)
            .await
            .iter()
            .all(crate::support::Webhook::is_signed)
    );
}

#[test]
fn secrets_are_read_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let config = config(&[
        "--webhook-url=http://127.0.0.1:8080/webhooks/stripe",
        "--webhook-secret=",
        "--webhook-secret-file",
        &file("secret", "whsec_file\n"),
        "--shop-gateway-url=http://127.0.0.1:8080",
        "--shop-api-key-file",
        &file("key", "key_file\n"),
    ]);
    assert_eq!(config.endpoints[0].secret, "whsec_file");
    assert_eq!(config.shop.unwrap().api_key, "key_file");
    let missing = ["stripe-simulator", "--shop-api-key-file=/nowhere/key"];
    let fault = Settings::try_parse_from(missing).unwrap_err().to_string();
    assert!(fault.contains("cannot be read"), "{fault}");
}

#[tokio::test]
async fn the_health_check_succeeds_while_the_simulator_answers() {
    let stripe = Simulator::start().await;
    let address = stripe.url.trim_start_matches("http://").parse().unwrap();
    stripe_simulator::check_health(address).await.unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let fault = stripe_simulator::check_health(address).await.unwrap_err();
    assert!(
        fault.to_string().contains("no simulator answers"),
        "{fault:#}"
    );
}
