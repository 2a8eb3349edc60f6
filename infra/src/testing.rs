//! For tests: a database for each test on the server that `DATABASE_URL` names, a proxy in front of it, names in Redis, and consumers of Kafka.
//!
//! These functions panic when a server is missing: a test cannot go on without it.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "only tests are built with this module"
)]

mod pgbouncer;
mod proxy;

use std::hash::{DefaultHasher, Hash, Hasher};

use rdkafka::consumer::StreamConsumer;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

use crate::Env;

pub use pgbouncer::PgBouncer;
pub use proxy::Proxy;

/// A migrated database for one test; it is dropped together with this guard.
#[derive(Debug)]
pub struct TestDatabase {
    pool: PgPool,
    url: String,
    name: String,
    server: PgConnectOptions,
}

impl TestDatabase {
    /// Creates a database with these migrations applied.
    ///
    /// The migrations run once per server: their result is kept as a template named after their checksums, and each
    /// test gets a copy of it, in about a tenth of a second.
    pub async fn create(migrations: &Migrator) -> Self {
        let server: PgConnectOptions = variable("DATABASE_URL")
            .parse()
            .expect("DATABASE_URL is a Postgres URL");
        let template = template(&server, migrations).await;
        let name = format!("pawl_test_{}", Uuid::now_v7().simple());
        let mut admin = connect(&server).await;
        run(
            &mut admin,
            format!("create database {name} template {template}"),
        )
        .await;
        let options = server.clone().database(&name);
        Self {
            url: options.to_url_lossy().to_string(),
            pool: crate::postgres::pool_with(options, 10),
            name,
            server,
        }
    }

    /// A pool of up to ten connections to it.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Its address, for a service under test.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A proxy in front of it, and its address there.
    pub async fn behind_proxy(&self) -> (Proxy, String) {
        let server = format!("{}:{}", self.server.get_host(), self.server.get_port());
        let proxy = Proxy::start(server).await;
        let address = proxy.address();
        let options = self
            .server
            .clone()
            .host("127.0.0.1")
            .port(address.port())
            .database(&self.name);
        (proxy, options.to_url_lossy().to_string())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own, on a thread of its own: the test's runtime may be about to end, or be this thread.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut admin = connect(&server).await;
                run(
                    &mut admin,
                    format!("drop database if exists {name} with (force)"),
                )
                .await;
            });
        });
        dropped.join().ok();
    }
}

/// The Redis that tests share; a test names its keys with [`unique`] and never flushes.
#[must_use]
pub fn redis_url() -> String {
    variable("REDIS_URL")
}

/// The brokers that tests share, if there are any; without them a test starts a [`crate::kafka::MockKafka`].
#[must_use]
pub fn kafka_brokers() -> Option<String> {
    Env::load().optional("KAFKA_BROKERS")
}

/// A consumer of a group that starts at the beginning of a topic and never commits its position by itself.
pub fn kafka_consumer(brokers: &str, group: &str) -> StreamConsumer {
    crate::kafka::client_config(&brokers.into())
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        .set("allow.auto.create.topics", "true")
        .create()
        .expect("librdkafka accepts the configuration")
}

/// A name that no other test uses, such as `queue-0198…`.
#[must_use]
pub fn unique(word: &str) -> String {
    format!("{word}-{}", Uuid::now_v7().simple())
}

fn variable(name: &str) -> String {
    Env::load().optional(name).unwrap_or_else(|| {
        panic!("{name} is not set: `make test` starts what tests need and sets it")
    })
}

/// The name of the template database with exactly these migrations, which the first test to need it creates.
async fn template(server: &PgConnectOptions, migrations: &Migrator) -> String {
    let mut hash = DefaultHasher::new();
    for migration in migrations.iter() {
        migration.checksum.hash(&mut hash);
    }
    let name = format!("pawl_template_{:016x}", hash.finish());
    let mut admin = connect(server).await;
    // Test binaries run at the same time; the session's end releases the lock whatever happens.
    run(
        &mut admin,
        "select pg_advisory_lock(hashtext('pawl_template'))".to_owned(),
    )
    .await;
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&name)
            .fetch_one(&mut admin)
            .await
            .expect("Postgres lists its databases");
    if !exists {
        let building = format!("{name}_building");
        run(
            &mut admin,
            format!("drop database if exists {building} with (force)"),
        )
        .await;
        run(
            &mut admin,
            format!("create database {building} template template0"),
        )
        .await;
        let mut connection = connect_to(server, &building).await;
        migrations
            .run(&mut connection)
            .await
            .expect("the migrations apply");
        connection.close().await.expect("the connection closes");
        // The last step: a template under its final name is complete.
        run(
            &mut admin,
            format!("alter database {building} rename to {name}"),
        )
        .await;
    }
    admin.close().await.ok();
    name
}

async fn connect(server: &PgConnectOptions) -> PgConnection {
    connect_to(server, "postgres").await
}

async fn connect_to(server: &PgConnectOptions, database: &str) -> PgConnection {
    server
        .clone()
        .database(database)
        .connect()
        .await
        .expect("the Postgres of DATABASE_URL answers")
}

async fn run(connection: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement.clone()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}
