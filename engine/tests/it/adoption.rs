//! A database that was restored to an earlier moment, while Stripe went on.

use std::path::Path;
use std::process::Command as Program;
use std::time::Duration;

use contracts::id::PaymentId;
use engine::adoption::{Adopter, Adoption};
use engine::audit::{AuditKey, Auditor};
use engine::stripe::{Client, ClientConfig, EventRange};
use engine::{Answer, Command, Error, Idempotency, MIGRATIONS, NewPayment, Notes};
use infra::env::SecretString;
use infra::testing::TestDatabase;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::payment::CaptureMethod;

use crate::world::World;

fn run(program: &str, arguments: &[&str]) {
    let output = Program::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}");
}

/// The address without the settings that only sqlx knows.
fn address(database: &TestDatabase) -> &str {
    let url = database.url();
    url.split_once('?').map_or(url, |(address, _)| address)
}

/// Writes a backup of the world's database.
fn back_up(world: &World, file: &Path) {
    let (url, file) = (address(&world.database), file.to_str().unwrap());
    run("pg_dump", &["--format=custom", "--file", file, url]);
}

/// A world over the backup.
async fn restore(world: &World, file: &Path) -> World {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let (url, file) = (address(&database), file.to_str().unwrap());
    let clean = ["--clean", "--if-exists", "--exit-on-error", "--dbname", url];
    run("pg_restore", &[&clean[..], &[file]].concat());
    world.with(database)
}

fn client(world: &World) -> Client {
    let key = SecretString::from("sk_test_engine");
    Client::new(&ClientConfig::new(world.stripe.clone(), key)).unwrap()
}

fn adopter(world: &World, is_dry: bool) -> Adopter {
    Adopter {
        pool: world.database.pool().clone(),
        stripe: client(world),
        is_dry,
    }
}

/// The last hour.
fn range() -> EventRange {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    EventRange {
        from: now - 3_600,
        to: now + 60,
    }
}

async fn adopt(world: &World, is_dry: bool) -> Adoption {
    let (adopter, mut done) = (adopter(world, is_dry), Adoption::default());
    let payments = adopter.adopt_payments(range(), &mut done, |_| ());
    payments.await.unwrap();
    adopter.adopt_refunds(range(), &mut done).await.unwrap();
    let answers = adopter.keep_answers_of_refunds(range(), &mut done);
    answers.await.unwrap();
    done
}

async fn differences(world: &World) -> usize {
    let auditor = Auditor {
        pool: world.database.pool().clone(),
        key: AuditKey::derive(&SecretString::from("sk_test_engine")),
        stripe: client(world),
    };
    let to = OffsetDateTime::now_utc() + time::Duration::minutes(1);
    let from = to - time::Duration::hours(1);
    let report = auditor.audit(from, to, Duration::ZERO).await.unwrap();
    report.drifts.len()
}

/// How many charges and refunds Stripe has made.
async fn made(world: &World) -> [usize; 3] {
    let mut counts = [0; 3];
    let lists = ["payment_intents", "charges", "refunds"];
    for (count, list) in counts.iter_mut().zip(lists) {
        let listed: Value = world.get(&format!("/v1/{list}?limit=100")).await;
        *count = listed["data"].as_array().unwrap().len();
    }
    counts
}

fn order(method: &str, reference: Option<&str>) -> NewPayment {
    NewPayment {
        notes: Notes {
            reference: reference.map(str::to_owned),
            ..Notes::default()
        },
        ..World::order(method)
    }
}

/// A request that a client makes, and makes again with the same key.
struct Request {
    order: NewPayment,
    key: Idempotency,
}

impl Request {
    fn new(world: &World, order: NewPayment) -> Self {
        let key = world.key("/api/v1/payments");
        Self { order, key }
    }

    async fn send(&self, world: &World) -> Answer {
        let sent = world.engine.create(self.order.clone(), self.key.clone());
        sent.await.unwrap()
    }
}

/// An order that is paid, one that is authorized, and one that is declined.
fn lost_requests(world: &World) -> [Request; 3] {
    let manual = NewPayment {
        capture_method: CaptureMethod::Manual,
        ..order("pm_card_visa", None)
    };
    [
        Request::new(world, order("pm_card_visa", Some("order-7"))),
        Request::new(world, manual),
        Request::new(world, order("pm_card_chargeDeclined", None)),
    ]
}

async fn send_all(world: &World, requests: &[Request]) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for request in requests {
        ids.push(request.send(world).await.payment);
    }
    ids
}

async fn statuses(world: &World, payments: &[Uuid]) -> Vec<String> {
    let mut statuses = Vec::new();
    for id in payments {
        statuses.push(world.view(*id).await.status.into_owned());
    }
    statuses
}

#[tokio::test]
async fn after_a_restore_every_client_may_retry_and_nothing_happens_twice() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("pawl.dump");

    let before = Request::new(&world, order("pm_card_visa", None));
    let paid = before.send(&world).await.payment;
    world.drain().await;
    // Accepted before the backup, made at Stripe after it.
    let during = Request::new(&world, order("pm_card_visa", None));
    let under_way = during.send(&world).await.payment;
    back_up(&world, &backup);

    world.drain().await;
    let refund_path = format!("/api/v1/payments/{}/refunds", PaymentId::from_uuid(paid));
    let refund_key = world.key(&refund_path);
    let refund = Command::Refund {
        amount: Some(99),
        reason: None,
    };
    let sent = world
        .engine
        .command(paid, refund.clone(), refund_key.clone());
    sent.await.unwrap();
    let lost = lost_requests(&world);
    let ids = send_all(&world, &lost).await;
    world.drain().await;
    let made_before = made(&world).await;

    let restored = restore(&world, &backup).await;
    let found = adopt(&restored, true).await;
    assert_eq!((found.adopted.len(), found.answers), (3, 3), "{found:?}");
    assert_eq!(restored.count("select count(*) from payment").await, 2);

    let first = adopt(&restored, false).await;
    let all = ids.iter().map(|id| PaymentId::from_uuid(*id));
    assert!(
        all.into_iter().all(|id| first.adopted.contains(&id)),
        "{first:?}"
    );
    assert_eq!((first.awaited, &first.skipped[..]), (1, &[][..]));
    let noted = "select count(*) from job where kind = 'create_intent' and state = 'queued' \
                 and first_sent_at is not null and unknown";
    assert_eq!(restored.count(noted).await, 1);
    restored.drain().await;

    let second = adopt(&restored, false).await;
    assert_eq!((second.adopted.len(), second.awaited), (0, 0));
    restored.drain().await;
    assert_eq!(differences(&restored).await, 0);

    for (request, id) in lost
        .iter()
        .zip(&ids)
        .chain([(&before, &paid), (&during, &under_way)])
    {
        let answer = request.send(&restored).await;
        assert_eq!((answer.payment, answer.replayed), (*id, true));
    }
    let again = restored.engine.command(paid, refund, refund_key);
    let again = again.await.unwrap();
    assert_eq!((again.status, again.replayed), (201, true));
    let shown: Value = serde_json::from_slice(&again.body).unwrap();
    assert_eq!(shown["amount"], 99);
    let another = order("pm_card_visa", Some("order-7"));
    let refused = restored
        .engine
        .create(another, restored.key("/api/v1/payments"));
    assert!(matches!(refused.await, Err(Error::ReferenceTaken { payment }) if payment == ids[0]));
    restored.drain().await;
    assert_eq!(made(&restored).await, made_before);

    assert_eq!(
        statuses(&restored, &ids).await,
        ["succeeded", "requires_capture", "requires_payment_method"]
    );
    assert_eq!(restored.view(paid).await.amount_refunded, 99);
}

#[tokio::test]
async fn an_order_that_was_accepted_again_before_the_adoption_is_named() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("pawl.dump");
    back_up(&world, &backup);
    let lost = Request::new(&world, order("pm_card_visa", Some("order-8")));
    let id = lost.send(&world).await.payment;
    world.drain().await;

    let restored = restore(&world, &backup).await;
    let other = Request::new(&restored, order("pm_card_visa", Some("order-8")));
    other.send(&restored).await;
    restored.drain().await;
    let done = adopt(&restored, false).await;
    let doubled = (PaymentId::from_uuid(id), "order-8".to_owned());
    assert_eq!((done.adopted.len(), done.doubled), (1, vec![doubled]));
    restored.drain().await;
    let view = restored.view(id).await;
    assert_eq!((&*view.status, view.reference), ("succeeded", None));
}
