//! A bad configuration names every fault, and repeats no secret.

use gateway::Config;
use infra::Env;
use infra::env::ExposeSecret;

fn read(variables: &[(&str, &str)]) -> (Config, String) {
    let mut env = Env::from_pairs(variables.iter().copied());
    let config = Config::from_env(&mut env);
    let faults = env
        .finish()
        .map_or_else(|faults| faults.to_string(), |()| String::new());
    (config, faults)
}

#[test]
fn every_fault_is_named_at_once() {
    let (_, said) = read(&[
        ("GATEWAY_ADDR", "nowhere"),
        ("DATABASE_URL", "mysql://pawl:horse@db/pawl"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_horse,,"),
        ("JWT_JWKS_URL", "ftp://example.org"),
        ("GATEWAY_DATABASE_CONNECTIONS", "many"),
        ("RATE_LIMIT_USER_PER_MINUTE", "-1"),
        ("RATE_LIMIT_ROUTES", "POST /api/v1/payment=3"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ]);
    for name in [
        "GATEWAY_ADDR",
        "DATABASE_URL",
        "REDIS_URL",
        "STRIPE_WEBHOOK_SECRET",
        "JWT_JWKS_URL",
        "GATEWAY_DATABASE_CONNECTIONS",
        "RATE_LIMIT_USER_PER_MINUTE",
        "RATE_LIMIT_ROUTES",
        "TRUSTED_PROXIES",
    ] {
        assert!(said.contains(name), "{name} is not named in:\n{said}");
    }
    assert!(!said.contains("horse"), "a secret is repeated:\n{said}");
}

#[test]
fn several_webhook_secrets_are_taken_during_a_rotation() {
    let (config, said) = read(&[
        ("DATABASE_URL", "postgres://pawl:horse@127.0.0.1/pawl"),
        ("REDIS_URL", "redis://127.0.0.1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_old, whsec_new"),
    ]);
    assert_eq!(said, "");
    let secrets: Vec<&str> = config
        .webhook_secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(secrets, ["whsec_old", "whsec_new"]);
    assert_eq!(config.address.to_string(), "127.0.0.1:8080");
    assert!(!format!("{config:?}").contains("horse"));
}

#[test]
fn a_limit_is_given_only_to_a_route_that_exists() {
    for (entry, taken) in [
        ("POST /api/v1/payments=3", true),
        ("key: post /api/v1/payments/{id}/refunds = 3", true),
        ("DELETE /api/v1/payments=3", false),
        ("POST /api/v1/payments", false),
        ("POST /api/v1/payments=many", false),
        ("/api/v1/payments=3", false),
        ("GET /health=3", false),
    ] {
        let mut env = Env::from_pairs([("RATE_LIMIT_ROUTES", entry)]);
        gateway::Limits::from_env(&mut env);
        assert_eq!(env.finish().is_ok(), taken, "{entry}");
    }
}
