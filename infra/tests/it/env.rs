//! The environment, judged as a whole.

use infra::Env;
use infra::env::{ExposeSecret, STRIPE_API_BASE, is_demo};
use infra::kafka::Brokers;

fn said(env: Env) -> String {
    env.finish()
        .map_or_else(|faults| faults.to_string(), |()| String::new())
}

#[test]
fn every_fault_is_named_at_once_with_what_to_do() {
    let mut env = Env::from_pairs([("WORKER_CONCURRENCY", "eighty"), ("KAFKA_BROKERS", "")]);
    env.required("DATABASE_URL");
    env.required("KAFKA_BROKERS");
    env.secret("JWT_PRIVATE_KEY");
    assert_eq!(env.number::<usize>("WORKER_CONCURRENCY"), 64);
    env.fault("and this one");
    env.fault("and this one");
    let said = said(env);
    assert_eq!(said.lines().count(), 5, "{said}");
    for word in [
        "DATABASE_URL is missing",
        "KAFKA_BROKERS is missing",
        "JWT_PRIVATE_KEY is missing",
        "WORKER_CONCURRENCY is \"eighty\", which cannot be used: give it a whole number from 1 to 4096, or remove the variable to get 64",
        "and this one",
        ".env",
    ] {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

#[test]
fn what_is_there_is_read_and_what_may_be_absent_has_its_default() {
    let env = Env::from_pairs([
        ("GATEWAY_ADDR", " 127.0.0.1:80 "),
        ("JWT_ISSUER", "shop"),
        ("WORKER_CONCURRENCY", ""),
        ("WEBHOOK_ALLOW_PRIVATE", "true"),
    ]);
    assert_eq!(env.socket("GATEWAY_ADDR").port(), 80);
    assert_eq!(env.socket("AUTH_ADDR").port(), 8081);
    assert_eq!(env.number::<usize>("WORKER_CONCURRENCY"), 64);
    assert_eq!(env.text("JWT_ISSUER"), "shop");
    assert_eq!(env.text("JWT_AUDIENCE"), "pawl-api");
    assert!(env.switch("WEBHOOK_ALLOW_PRIVATE"));
    assert_eq!(env.optional("STRIPE_ACCOUNT"), None);
    assert_eq!(said(env), "");
}

#[test]
fn a_live_key_goes_to_stripe_and_nowhere_else() {
    let cases = [
        ("sk_test_1", None, true),
        ("sk_test_1", Some("http://127.0.0.1:12111"), true),
        ("sk_live_1", None, true),
        ("sk_live_1", Some("https://api.stripe.com/"), true),
        ("rk_live_1", Some("https://api.stripe.com"), true),
        ("sk_live_1", Some("http://127.0.0.1:12111"), false),
        ("rk_live_1", Some("http://127.0.0.1:12111"), false),
        ("sk_live_1", Some("http://api.stripe.com"), false),
        (
            "sk_live_1",
            Some("https://api.stripe.com.example.org"),
            false,
        ),
    ];
    for (key, base, allowed) in cases {
        let variables = base.map(|base| ("STRIPE_API_BASE", base));
        let mut env = Env::from_pairs(variables.into_iter().chain([("STRIPE_API_KEY", key)]));
        let (read, address) = env.stripe();
        assert_eq!(read.expose_secret(), key);
        assert!(base.is_some() || address == STRIPE_API_BASE);
        let said = said(env);
        assert_eq!(said.is_empty(), allowed, "{key} {base:?}: {said}");
        assert!(!said.contains("live_1"), "the key is repeated: {said}");
    }
}

#[test]
fn a_service_that_never_calls_stripe_refuses_a_live_key_beside_a_simulator_too() {
    let variables = [
        ("STRIPE_API_KEY", "sk_live_1"),
        ("STRIPE_API_BASE", "http://127.0.0.1:12111"),
    ];
    assert_eq!(said(Env::from_pairs(variables)).lines().count(), 1);
    assert_eq!(
        said(Env::from_pairs([("STRIPE_API_BASE", "localhost")]))
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_secret_that_everybody_knows_is_refused_only_beside_a_live_key() {
    for (key, allowed) in [("sk_test_1", true), ("sk_live_1", false)] {
        let mut env = Env::from_pairs([
            ("STRIPE_API_KEY", key),
            ("STRIPE_WEBHOOK_SECRET", "whsec_pawl_demo_1"),
        ]);
        let secret = env.secret("STRIPE_WEBHOOK_SECRET");
        assert!(is_demo(secret.expose_secret()));
        assert_eq!(format!("{secret:?}"), "SecretBox<str>([REDACTED])");
        let said = said(env);
        assert_eq!(said.is_empty(), allowed, "{key}: {said}");
        assert!(!said.contains("whsec"), "{said}");
    }
}

#[test]
fn an_address_of_something_else_is_named_without_its_password() {
    let mut env = Env::from_pairs([
        ("DATABASE_URL", "mysql://pawl:horse@db/pawl"),
        ("REDIS_URL", "127.0.0.1:6379"),
    ]);
    env.secret("DATABASE_URL");
    env.required("REDIS_URL");
    let said = said(env);
    assert!(
        said.contains("DATABASE_URL") && said.contains("REDIS_URL"),
        "{said}"
    );
    assert!(!said.contains("horse"), "{said}");
    let mut env = Env::from_pairs([
        ("DATABASE_URL", "postgresql:///pawl"),
        ("REDIS_URL", "redis://127.0.0.1"),
    ]);
    env.secret("DATABASE_URL");
    env.required("REDIS_URL");
    env.finish().unwrap();
}

#[test]
fn a_secret_may_be_a_file_but_not_both() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "sk_test_from_a_file\n").unwrap();
    let path = path.to_str().unwrap();

    let mut env = Env::from_pairs([("STRIPE_API_KEY_FILE", path)]);
    let key = env.secret("STRIPE_API_KEY");
    assert_eq!(key.expose_secret(), "sk_test_from_a_file");
    assert_eq!(said(env), "");

    let both = Env::from_pairs([
        ("STRIPE_API_KEY_FILE", path),
        ("STRIPE_API_KEY", "sk_test_1"),
    ]);
    let said_of_both = said(both);
    assert!(said_of_both.contains("both set"), "{said_of_both}");
    assert!(!said_of_both.contains("sk_test"), "{said_of_both}");

    let mut missing = Env::from_pairs([("JWT_PRIVATE_KEY_FILE", "/nowhere/key")]);
    missing.secret("JWT_PRIVATE_KEY");
    let said_of_missing = said(missing);
    assert!(
        said_of_missing.contains("/nowhere/key"),
        "{said_of_missing}"
    );
}

#[test]
fn a_variable_that_the_table_lacks_cannot_be_read() {
    let env = Env::from_pairs([("PAWL_UNKNOWN", "1")]);
    assert_eq!(env.optional("PAWL_UNKNOWN"), None);
    assert!(said(env).contains("add it there"));
}

#[test]
fn values_that_are_wrong_together_are_named() {
    for (lease, stripe, webhook, faults) in [
        ("30", "20", "10", 0),
        ("20", "20", "10", 1),
        ("10", "9", "10", 1),
        ("5", "9", "10", 2),
    ] {
        let env = Env::from_pairs([
            ("WORKER_LEASE_SECONDS", lease),
            ("STRIPE_TIMEOUT_SECONDS", stripe),
            ("WEBHOOK_TIMEOUT_SECONDS", webhook),
        ]);
        let _: u64 = env.number("WORKER_LEASE_SECONDS");
        let said = said(env);
        assert_eq!(
            said.lines().count(),
            faults,
            "{lease} {stripe} {webhook}: {said}"
        );
    }
    for (key, faults) in [("sk_test_1", 0), ("sk_live_1", 1)] {
        let env = Env::from_pairs([("WEBHOOK_ALLOW_PRIVATE", "true"), ("STRIPE_API_KEY", key)]);
        assert!(env.switch("WEBHOOK_ALLOW_PRIVATE"));
        assert_eq!(said(env).lines().count(), faults, "{key}");
    }
}

#[test]
fn kafka_gets_a_user_with_a_password_or_neither_and_tls_if_the_program_has_it() {
    let tls = usize::from(!cfg!(feature = "kafka-tls"));
    let (user, password) = (
        ("KAFKA_SASL_USERNAME", "pawl"),
        ("KAFKA_SASL_PASSWORD", "secret"),
    );
    let scram = ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512");
    for (protocol, more, faults) in [
        ("PLAINTEXT", vec![], 0),
        ("SASL_PLAINTEXT", vec![], 2),
        ("SASL_PLAINTEXT", vec![user], 1),
        ("SASL_PLAINTEXT", vec![user, password], 0),
        ("SASL_PLAINTEXT", vec![user, password, scram], tls),
        ("SSL", vec![], tls),
        ("SASL_SSL", vec![user, password], tls),
        ("TLS", vec![], 1),
    ] {
        let variables = more
            .iter()
            .copied()
            .chain([("KAFKA_SECURITY_PROTOCOL", protocol)]);
        let env = Env::from_pairs(variables);
        let _ = Brokers::from_env(&env);
        let said = said(env);
        assert_eq!(said.lines().count(), faults, "{protocol} {more:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}
