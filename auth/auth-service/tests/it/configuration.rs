//! A bad configuration names every fault, and repeats no secret.

use auth_service::{Config, signer};
use infra::Env;
use infra::env::ExposeSecret;

fn faults(variables: &[(&str, &str)]) -> String {
    let mut env = Env::from_pairs(variables.iter().copied());
    Config::from_env(&mut env);
    env.finish()
        .map_or_else(|faults| faults.to_string(), |()| String::new())
}

#[test]
fn every_fault_is_named_at_once() {
    let said = faults(&[
        ("AUTH_ADDR", "nowhere"),
        ("TRUSTED_PROXIES", "everybody"),
        ("RATE_LIMIT_IP_PER_MINUTE", "many"),
        ("AUTH_API_KEYS", "short,also-short"),
        ("JWT_PRIVATE_KEY", "c2VjcmV0IHNlY3JldA=="),
        ("JWT_JWKS_URL", "ftp://example.org"),
    ]);
    for name in [
        "AUTH_ADDR",
        "DATABASE_URL",
        "REDIS_URL",
        "TRUSTED_PROXIES",
        "RATE_LIMIT_IP_PER_MINUTE",
        "AUTH_API_KEYS",
        "JWT_PRIVATE_KEY",
        "JWT_JWKS_URL",
    ] {
        assert!(said.contains(name), "{name} is not named in:\n{said}");
    }
    assert_eq!(said.lines().count(), 8, "{said}");
    assert!(
        !said.contains("c2Vj") && !said.contains("also-short"),
        "a secret is repeated:\n{said}"
    );
}

#[test]
fn demonstration_secrets_are_refused_beside_a_live_key() {
    let own = signer::generate().unwrap();
    let mut variables = vec![
        ("DATABASE_URL", "postgres://127.0.0.1/pawl"),
        ("REDIS_URL", "redis://127.0.0.1"),
        ("AUTH_API_KEYS", "pawl_demo_auth_key_0123456789"),
        ("JWT_PRIVATE_KEY", own.expose_secret()),
    ];
    assert_eq!(faults(&variables), "");
    variables.push(("STRIPE_API_KEY", "sk_live_1234"));
    let said = faults(&variables);
    assert!(
        said.contains("AUTH_API_KEYS") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn the_example_is_a_configuration_and_each_of_its_secrets_is_known_as_a_demonstration() {
    let example = include_str!("../../../../.env.example");
    let variable = |line: &'static str| {
        let (name, value) = line.trim_start_matches('#').split_once('=')?;
        let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        is_name.then_some((name, value))
    };
    let mut variables: Vec<_> = example.lines().filter_map(variable).collect();
    assert!(variables.len() > 20, "{variables:?}");
    assert_eq!(faults(&variables), "");
    for (name, value) in &variables {
        if name.contains("SECRET") || name.contains("PRIVATE_KEY") || *name == "AUTH_API_KEYS" {
            assert!(infra::env::is_demo(value), "{name}");
        }
    }
    variables.push(("STRIPE_API_KEY", "sk_live_1234"));
    let said = faults(&variables);
    assert!(
        said.contains("AUTH_API_KEYS") && said.contains("JWT_PRIVATE_KEY"),
        "{said}"
    );
}
