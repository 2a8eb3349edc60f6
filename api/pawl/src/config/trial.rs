//! Tries the servers that the configuration names; each gets five seconds.

use std::fmt::Display;
use std::time::Duration;

use engine::stripe::{Client, ClientConfig};
use infra::env::SecretString;
use infra::env::variable::Program;
use infra::kafka::Brokers;
use infra::{Env, kafka, postgres, redis};
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// An intent that Stripe does not have: it answers 404 to whoever has a key that it knows.
const NO_INTENT: &str = "pi_0000000000000000000000000";

/// What a try found.
#[derive(Debug, Serialize)]
pub(super) struct Trial {
    pub(super) server: &'static str,
    pub(super) ok: bool,
    pub(super) found: String,
}

/// The servers to try: those whose addresses are set and have the right form.
pub(super) struct Servers {
    database: Option<String>,
    redis: Option<String>,
    brokers: Option<Brokers>,
    stripe: Option<Stripe>,
}

struct Stripe {
    key: SecretString,
    base: String,
    is_live: bool,
}

impl Servers {
    /// Those that these programs use.
    pub(super) fn of(env: &Env, programs: &[Program]) -> Self {
        let used = |name| {
            let readers = infra::env::table::find(name).map_or(&[][..], |it| it.readers);
            let is_used = readers.iter().any(|it| programs.contains(it));
            env.optional(name).filter(|_| is_used)
        };
        Self {
            database: used("DATABASE_URL"),
            redis: used("REDIS_URL"),
            brokers: used("KAFKA_BROKERS").map(|_| Brokers::from_env(env)),
            stripe: used("STRIPE_API_KEY").map(|key| Stripe {
                key: key.into(),
                base: env.stripe_base(),
                is_live: env.is_live(),
            }),
        }
    }

    /// Tries them all at once.
    pub(super) async fn attempt(self) -> Vec<Trial> {
        let tries = tokio::join!(
            tried("Postgres", self.database, try_postgres),
            tried("Redis", self.redis, try_redis),
            tried("Kafka", self.brokers, try_kafka),
            tried("Stripe", self.stripe, try_stripe),
        );
        [tries.0, tries.1, tries.2, tries.3]
            .into_iter()
            .flatten()
            .collect()
    }
}

async fn tried<S, F>(
    server: &'static str,
    settings: Option<S>,
    attempt: impl FnOnce(S) -> F,
) -> Option<Trial>
where
    F: Future<Output = Result<String, String>>,
{
    let result = timeout(PATIENCE, attempt(settings?)).await;
    let result = result.unwrap_or_else(|_| {
        Err(format!(
            "no answer within {} s: is the address right, and does a firewall let it pass?",
            PATIENCE.as_secs()
        ))
    });
    Some(Trial {
        server,
        ok: result.is_ok(),
        found: result.unwrap_or_else(|error| error),
    })
}

async fn try_postgres(url: String) -> Result<String, String> {
    // Not a pool: it would tell only that no connection could be had, not why.
    let connection = PgConnection::connect(&url).await.map_err(text)?;
    connection.close().await.map_err(text)?;
    let pool = postgres::pool(&url, 1).map_err(|error| format!("{error:#}"))?;
    postgres::refuse_pooler(&url)
        .await
        .map_err(|error| format!("{error:#}"))?;
    let found = postgres::schema_version(&pool).await.map_err(text)?;
    let needed = engine::schema_version();
    if found != needed {
        return Err(format!(
            "schema version {found} found, {needed} needed: run `pawl migrate`{}",
            if found > needed {
                " of the newer version, or install that version here"
            } else {
                ""
            }
        ));
    }
    let skew = postgres::clock_skew(&pool).await.map_err(text)?;
    postgres::check_clock(skew)?;
    Ok(format!("connected; schema version {found}; clocks agree"))
}

async fn try_redis(url: String) -> Result<String, String> {
    let connection = redis::manager(&url, PATIENCE).map_err(text)?;
    redis::ping(&connection).await.map_err(text)?;
    Ok("it answers".to_owned())
}

async fn try_kafka(brokers: Brokers) -> Result<String, String> {
    let asked = tokio::task::spawn_blocking(move || kafka::count_brokers(&brokers, PATIENCE));
    let count = asked.await.map_err(text)?.map_err(text)?;
    Ok(format!("{count} brokers"))
}

async fn try_stripe(stripe: Stripe) -> Result<String, String> {
    let mode = if stripe.is_live { "live" } else { "test" };
    let base = stripe.base.clone();
    let client = Client::new(&ClientConfig::new(stripe.base, stripe.key)).map_err(text)?;
    match client.retrieve_intent(NO_INTENT).await {
        Ok(_) => Ok(format!("{base} knows the key, in {mode} mode")),
        Err(failure) if failure.is_missing() => Ok(format!("{base} knows the key, in {mode} mode")),
        Err(failure) if failure.status == Some(401) => Err(format!(
            "{base} does not know the key in STRIPE_API_KEY: {failure}"
        )),
        Err(failure) if failure.status == Some(403) => Err(format!(
            "the key in STRIPE_API_KEY may not read payment intents: docs/stripe-setup.md lists the rights that it needs: {failure}"
        )),
        Err(failure) => Err(failure.to_string()),
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
