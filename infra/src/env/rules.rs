//! Rules between variables: values that are right each by itself, and wrong together.

use super::{Env, STRIPE_API_BASE};

/// The rules as docs/configuration.md lists them.
pub(super) const RULES: [&str; 7] = [
    "With a live key in `STRIPE_API_KEY`, `STRIPE_API_BASE` is Stripe's own address: the key would be sent elsewhere, and a simulator would report payments that did not happen. Every service refuses it.",
    "With a live key, no secret is a demonstration value of `.env.example`.",
    "With a live key, `WEBHOOK_ALLOW_PRIVATE` is not `true`: merchants could make Pawl call addresses of your own network.",
    "`WORKER_LEASE_SECONDS` is greater than `STRIPE_TIMEOUT_SECONDS`, or two workers would make each slow call.",
    "`WORKER_LEASE_SECONDS` is greater than `WEBHOOK_TIMEOUT_SECONDS`, or two workers would send each event to a slow receiver.",
    "With `KAFKA_SECURITY_PROTOCOL` SASL_PLAINTEXT or SASL_SSL, `KAFKA_SASL_USERNAME` and `KAFKA_SASL_PASSWORD` are set.",
    "SSL, SASL_SSL and the SCRAM mechanisms of Kafka need a program that was built with the feature `kafka-tls`, as the images are.",
];

/// The faults of the variables that were read. Variables whose own form is wrong are left out: they have a fault already.
pub(super) fn broken(env: &Env) -> Vec<String> {
    let mut faults = Vec::new();
    let base = env.stripe_base();
    if env.is_live() && base != STRIPE_API_BASE {
        faults.push(format!(
            "STRIPE_API_BASE is {base:?} while STRIPE_API_KEY is a live key: remove it (a live key goes to {STRIPE_API_BASE} only) or use a test key"
        ));
    }
    if env.is_live() && env.was_read("WEBHOOK_ALLOW_PRIVATE") && env.switch("WEBHOOK_ALLOW_PRIVATE")
    {
        faults.push(
            "WEBHOOK_ALLOW_PRIVATE is true while STRIPE_API_KEY is a live key: remove it, or merchants can make Pawl call addresses of your own network"
                .to_owned(),
        );
    }
    if env.was_read("WORKER_LEASE_SECONDS") {
        let lease: u64 = env.number("WORKER_LEASE_SECONDS");
        for (name, result) in [
            ("STRIPE_TIMEOUT_SECONDS", "make each slow call"),
            (
                "WEBHOOK_TIMEOUT_SECONDS",
                "send each event to a slow receiver",
            ),
        ] {
            let timeout: u64 = env.number(name);
            if lease <= timeout {
                faults.push(format!(
                    "WORKER_LEASE_SECONDS is {lease} while {name} is {timeout}: choose a longer lease, or two workers will {result}"
                ));
            }
        }
    }
    if env.was_read("KAFKA_SECURITY_PROTOCOL") {
        faults.extend(of_kafka(env));
    }
    faults
}

/// The faults of the variables of Kafka together.
fn of_kafka(env: &Env) -> Vec<String> {
    let protocol = env.text("KAFKA_SECURITY_PROTOCOL");
    let mechanism = env.text("KAFKA_SASL_MECHANISM");
    let mut faults = Vec::new();
    let is_sasl = protocol.starts_with("SASL_");
    for name in ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"] {
        if is_sasl && env.optional(name).is_none() {
            faults.push(format!(
                "{name} is not set while KAFKA_SECURITY_PROTOCOL is {protocol}: set it, or choose PLAINTEXT or SSL"
            ));
        }
    }
    let is_encrypted = protocol.ends_with("SSL") || is_sasl && mechanism != "PLAIN";
    if is_encrypted && !cfg!(feature = "kafka-tls") {
        faults.push(format!(
            "KAFKA_SECURITY_PROTOCOL is {protocol} and KAFKA_SASL_MECHANISM {mechanism}, while this program was built without TLS for Kafka: use an image, or build it with `--features kafka-tls`"
        ));
    }
    faults
}
