//! A world of its own for a test: a database, a Stripe that misbehaves when asked, an engine and a worker without Redis.
#![allow(
    dead_code,
    reason = "two test binaries share this file, and neither uses all of it"
)]

use std::time::Duration;

use bytes::Bytes;
use contracts::id::PaymentId;
use contracts::view::{EventView, PaymentView};
use engine::audit::AuditKey;
use engine::cache::Cache;
use engine::delivery::{Guard, Reach};
use engine::queue::Queue;
use engine::stripe::{Client, ClientConfig};
use engine::webhook::signature::{Verifier, sign};
use engine::worker::Worker;
use engine::{
    Answer, Command, Engine, Error, Idempotency, MIGRATIONS, NewPayment, Notes, Page, Parts,
    delivery, worker,
};
use infra::env::SecretString;
use infra::testing::{TestDatabase, redis_url, unique};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use workflows::money::Money;
use workflows::payment::{CaptureMethod, OnExpiry};

pub(crate) const SECRET: &str = "whsec_of_the_tests";

/// How long a merchant's receiver may take.
pub(crate) const WEBHOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// See the module.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) engine: Engine,
    pub(crate) worker: Worker,
    pub(crate) account: Uuid,
    pub(crate) stripe: String,
    http: reqwest::Client,
    _stop: DropGuard,
}

impl World {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stripe = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(stripe_simulator::serve(
            stripe_simulator::Config::default(),
            listener,
            stop.clone(),
        ));
        let database = TestDatabase::create(&MIGRATIONS).await;
        Self::over(database, stripe, Uuid::now_v7(), stop)
    }

    /// The same Stripe and account over another database.
    pub(crate) fn with(&self, database: TestDatabase) -> Self {
        let stop = CancellationToken::new();
        Self::over(database, self.stripe.clone(), self.account, stop)
    }

    fn over(
        database: TestDatabase,
        stripe: String,
        account: Uuid,
        stop: CancellationToken,
    ) -> Self {
        let queue = Queue::connect(&redis_url(), &format!("{{{}}}", unique("engine"))).unwrap();
        let cache = Cache::connect(&redis_url()).unwrap();
        let engine = Engine::start(Parts {
            pool: database.pool().clone(),
            queue: queue.clone(),
            cache: cache.clone(),
        });
        let guard = Guard::new(Reach::Anywhere);
        let pool = database.pool().clone();
        let worker = worker(pool, queue, cache, &stripe, guard, WEBHOOK_TIMEOUT);
        Self {
            database,
            engine,
            worker,
            account,
            stripe,
            http: reqwest::Client::new(),
            _stop: stop.drop_guard(),
        }
    }

    /// Another worker on the same database and Stripe, which calls merchants like this.
    pub(crate) fn worker_with(&self, guard: Guard, timeout: Duration) -> Worker {
        self.worker_over(self.database.pool().clone(), guard, timeout)
    }

    /// Another worker over this pool, with a queue of its own.
    pub(crate) fn worker_over(&self, pool: PgPool, guard: Guard, timeout: Duration) -> Worker {
        let queue = Queue::connect(&redis_url(), &format!("{{{}}}", unique("engine"))).unwrap();
        let cache = Cache::connect(&redis_url()).unwrap();
        worker(pool, queue, cache, &self.stripe, guard, timeout)
    }

    /// Fires all timers of this kind before their times, and does what follows.
    pub(crate) async fn fire_timers(&self, kind: &str) {
        sqlx::query("update timer set due_at = now() where kind = $1")
            .bind(kind)
            .execute(self.database.pool())
            .await
            .unwrap();
        self.worker.sweep().await.unwrap();
        self.drain().await;
    }

    /// The history of a payment, the newest transition first.
    pub(crate) async fn history(&self, payment: Uuid) -> Vec<EventView> {
        let page = Page {
            limit: 100,
            starting_after: None,
            ending_before: None,
        };
        let events = self.engine.events(self.account, payment, &page);
        events.await.unwrap().0
    }

    pub(crate) fn key(&self, path: &str) -> Idempotency {
        Idempotency {
            account: self.account,
            method: "POST".into(),
            path: path.into(),
            key: unique("key"),
            body_hash: [7; 32],
        }
    }

    /// A payment of 10.99 EUR that is confirmed at once.
    pub(crate) fn order(method: &str) -> NewPayment {
        NewPayment {
            money: Money::parse(1099, "eur").unwrap(),
            capture_method: CaptureMethod::Automatic,
            multicapture: false,
            authorization_expiry: OnExpiry::Alert,
            confirm: true,
            payment_method: Some(method.into()),
            return_url: Some("https://shop.example/back".into()),
            expires_in: None,
            notes: Notes::default(),
        }
    }

    pub(crate) async fn create(&self, method: &str) -> Uuid {
        self.engine
            .create(Self::order(method), self.key("/api/v1/payments"))
            .await
            .unwrap()
            .payment
    }

    pub(crate) async fn command(&self, payment: Uuid, command: Command) -> Result<Answer, Error> {
        self.engine
            .command(
                payment,
                command,
                self.key(&format!("/api/v1/payments/{payment}")),
            )
            .await
    }

    /// Performs all that is due, now and soon: what was put off is brought forward.
    pub(crate) async fn drain(&self) {
        for _ in 0..100 {
            self.worker.drain().await.unwrap();
            let mut brought = 0;
            for bring in [
                "update job set due_at = now() where state = 'queued'",
                "update delivery set next_try_at = now() where status = 'pending' and lease is null",
            ] {
                let done = sqlx::query(bring).execute(self.database.pool());
                brought += done.await.unwrap().rows_affected();
            }
            if brought == 0 {
                return;
            }
        }
        panic!("there is always more to do");
    }

    /// How many jobs and deliveries are not finished.
    pub(crate) async fn open_work(&self) -> i64 {
        let jobs = "select count(*) from job where state <> 'done'";
        let deliveries = "select count(*) from delivery where status = 'pending'";
        self.count(jobs).await + self.count(deliveries).await
    }

    /// The payment as Postgres has it.
    pub(crate) async fn view(&self, payment: Uuid) -> PaymentView {
        let (mut views, _) = self
            .engine
            .payments(
                self.account,
                &engine::PaymentFilter::default(),
                &engine::Page {
                    limit: 100,
                    starting_after: None,
                    ending_before: None,
                },
            )
            .await
            .unwrap();
        let at = views
            .iter()
            .position(|view| view.id.uuid() == payment)
            .unwrap();
        views.swap_remove(at)
    }

    /// The payment as a client reads it, from the cache where it is.
    pub(crate) async fn cached(&self, payment: Uuid) -> Value {
        let view = self
            .engine
            .payment(self.account, payment)
            .await
            .unwrap()
            .unwrap();
        serde_json::from_slice(&view.body).unwrap()
    }

    /// All events of Stripe's so far, the oldest first.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let listed: Value = self.get("/v1/events?limit=100").await;
        let mut events = listed["data"].as_array().unwrap().clone();
        events.reverse();
        events
    }

    /// Delivers an event as Stripe would.
    pub(crate) async fn deliver(&self, event: &Value) {
        let body = Bytes::from(event.to_string());
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let secret = SecretString::from(SECRET);
        let verifier = Verifier::new(std::slice::from_ref(&secret)).unwrap();
        let signed = verifier.accept(&body, &sign(&body, &secret, now), now);
        self.engine.receive(signed.unwrap()).await.unwrap();
        // Without the moment that it is otherwise given: here no answer is on its way.
        sqlx::query("update inbox_open set due_at = now() where status = 'received'")
            .execute(self.database.pool())
            .await
            .unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}{path}", self.stripe))
            .bearer_auth("sk_test_engine")
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{path}: {}",
            answer.text().await.unwrap()
        );
        answer.json().await.unwrap()
    }

    /// A call of somebody else's to Stripe: a browser, or a person in Stripe's dashboard.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self
            .http
            .post(format!("{}{path}", self.stripe))
            .bearer_auth("sk_test_engine");
        request
            .header("Idempotency-Key", unique("outside"))
            .form(form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Makes something happen at Stripe; returns what it shows.
    pub(crate) async fn simulate(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.stripe));
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
        answer.json().await.unwrap()
    }

    /// Makes Stripe misbehave.
    pub(crate) async fn fault(&self, rules: Value) {
        let put = self
            .http
            .put(format!("{}/_sim/faults", self.stripe))
            .json(&json!({ "rules": rules }));
        assert!(put.send().await.unwrap().status().is_success());
    }

    /// How often Stripe charged for a payment.
    pub(crate) async fn charges(&self, payment: Uuid) -> i64 {
        let ledger: Value = self.get("/_sim/ledger").await;
        let payments = ledger["payments"].as_array().unwrap();
        let ours = payments
            .iter()
            .find(|it| it["payment_id"] == PaymentId::from_uuid(payment).to_string());
        ours.map_or(0, |it| it["charges"].as_i64().unwrap())
    }

    /// A number that a statement counts.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }
}

fn worker(
    pool: PgPool,
    queue: Queue,
    cache: Cache,
    stripe: &str,
    guard: Guard,
    timeout: Duration,
) -> Worker {
    let config = ClientConfig::new(stripe.to_owned(), "sk_test_engine".into());
    Worker::new(worker::WorkerParts {
        pool,
        queue,
        cache,
        stripe: Client::new(&config).unwrap(),
        audit_key: AuditKey::derive(&config.api_key),
        source: engine::webhook::Source::default(),
        concurrency: 8,
        lease: Duration::from_secs(30),
        webhooks: delivery::Config { guard, timeout },
    })
    .unwrap()
}
