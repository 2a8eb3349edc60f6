//! The worker aborts between two durable effects and another one takes over; the final state is the same as without a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;

use contracts::view::DisputeView;
use engine::delivery::{Guard, NewEndpoint, Reach};
use engine::{Command, DisputeFilter, Page};
use futures::{StreamExt, stream};
use serde_json::json;
use uuid::Uuid;
use workflows::payment::CaptureMethod;

use crate::process::{Process, until};
use crate::receiver::Receiver;
use crate::world::World;

const SIGABRT: i32 = 6;

/// How many cases run at once. Each uses one of Redis's sixteen databases.
const AT_ONCE: usize = 5;

/// The work that is left to the worker.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    Pay,
    Capture,
    Cancel,
    Refund,
    Evidence,
    Accept,
    Resync,
    Webhook,
    Deliver,
}

/// The state of the payment and of the queues when all work is done.
#[derive(Debug, PartialEq)]
struct End {
    status: String,
    captured: i64,
    refunded: i64,
    reserved: i64,
    attempt: Option<String>,
    /// Status and evidence of the dispute, and the call about it that is open.
    dispute: Option<(String, String, Option<String>)>,
    charges: i64,
    due_timers: i64,
    unfinished_work: i64,
    waiting_events: i64,
    unsent_messages: i64,
    gaps: i64,
    /// Whether events arrived at the merchant, and how many are missing from the first gap on.
    delivered: bool,
    undelivered: i64,
}

impl End {
    async fn of(world: &World, payment: Uuid, receiver: &Receiver) -> Self {
        // On a busy machine a call may take longer than it may, twice; the schedule is not the matter here.
        sqlx::query(
            "update delivery set next_try_at = now() where status = 'pending' and lease is null and next_try_at > now()",
        )
        .execute(world.database.pool())
        .await
        .unwrap();
        let view = world.view(payment).await;
        Self {
            status: view.status.into(),
            captured: view.amount_captured,
            refunded: view.amount_refunded,
            reserved: view.amount_reserved,
            attempt: view.latest_attempt.map(|it| it.status.into()),
            dispute: dispute_of(world).await.map(|it| {
                let call = it.open_call.map(Into::into);
                (it.status.into(), it.evidence.into(), call)
            }),
            charges: world.charges(payment).await,
            // Before the jobs: a timer that fires meanwhile has become a job by the time those are counted.
            due_timers: world
                .count("select count(*) from timer where due_at <= now()")
                .await,
            unfinished_work: world.open_work().await,
            waiting_events: world
                .count("select count(*) from inbox_open where status <> 'dead'")
                .await,
            unsent_messages: world.count("select count(*) from outbox").await,
            gaps: world
                .count("select coalesce(max(version) - count(*), 0) from transition")
                .await,
            delivered: delivered(receiver) > 0,
            undelivered: world.count("select count(*) from delivery").await - delivered(receiver),
        }
    }

    fn is_quiet(&self) -> bool {
        self.due_timers == 0
            && self.unfinished_work == 0
            && self.waiting_events == 0
            && self.unsent_messages == 0
    }
}

/// How many events arrived before the first gap. A repeated event has the same id; with a new id it would count as a gap.
fn delivered(receiver: &Receiver) -> i64 {
    let arrived: BTreeSet<(i64, String)> = receiver
        .got()
        .into_iter()
        .map(|got| (got.sequence(), got.id))
        .collect();
    let in_order = (1..)
        .zip(&arrived)
        .take_while(|(at, (number, _))| at == number);
    i64::try_from(in_order.count()).unwrap()
}

/// The dispute of the only payment.
async fn dispute_of(world: &World) -> Option<DisputeView> {
    let page = Page {
        limit: 1,
        starting_after: None,
        ending_before: None,
    };
    let filter = DisputeFilter::default();
    let found = world.engine.disputes(world.account, filter, &page).await;
    found.unwrap().0.pop()
}

/// The customer disputes the payment, and the client answers or accepts that.
async fn dispute(world: &World, payment: Uuid, work: Work) -> Command {
    let intent = world.view(payment).await.intent_id.unwrap();
    let claim = json!({"payment_intent": intent});
    world.simulate("/_sim/disputes", &claim).await;
    for event in world.events().await {
        world.deliver(&event).await;
    }
    world.drain().await;
    let dispute = dispute_of(world).await.unwrap().id.uuid();
    if work == Work::Accept {
        return Command::AcceptDispute { dispute };
    }
    Command::SubmitEvidence {
        dispute,
        evidence: BTreeMap::from([("customer_name".to_owned(), "Ada".to_owned())]),
        submit: true,
    }
}

/// Adds an endpoint for all events.
async fn add_endpoint(world: &World, receiver: &Receiver) {
    let address = Guard::new(Reach::Anywhere).check(&receiver.url).await;
    let new = NewEndpoint {
        address: address.unwrap(),
        description: None,
        enabled_events: vec!["*".into()],
    };
    let made = world.engine.add_webhook_endpoint(world.account, new);
    made.await.unwrap();
}

/// Makes a payment and prepares the work, which is then left to the process.
async fn prepare(world: &World, work: Work) -> Uuid {
    let mut order = World::order("pm_card_visa");
    if matches!(work, Work::Capture | Work::Cancel) {
        order.capture_method = CaptureMethod::Manual;
    }
    order.confirm = work != Work::Webhook;
    let payment = world
        .engine
        .create(order, world.key("/api/v1/payments"))
        .await
        .unwrap()
        .payment;
    if matches!(work, Work::Pay | Work::Deliver) {
        return payment;
    }
    world.drain().await;
    let command = match work {
        Work::Capture => Some(Command::Capture {
            amount: None,
            is_final: true,
        }),
        Work::Cancel => Some(Command::Cancel { reason: None }),
        Work::Refund => Some(Command::Refund {
            amount: Some(99),
            reason: None,
        }),
        Work::Evidence | Work::Accept => Some(dispute(world, payment, work).await),
        Work::Pay | Work::Resync | Work::Webhook | Work::Deliver => None,
    };
    if let Some(command) = command {
        world.command(payment, command).await.unwrap();
    }
    if work == Work::Resync {
        sqlx::query("insert into timer (payment_id, kind, due_at) values ($1, 'check', now())")
            .bind(payment)
            .execute(world.database.pool())
            .await
            .unwrap();
    }
    if work == Work::Webhook {
        let intent = world.view(payment).await.intent_id.unwrap();
        world
            .post(
                &format!("/v1/payment_intents/{intent}/confirm"),
                &[("return_url", "https://shop.example/back")],
            )
            .await;
        for event in world.events().await {
            world.deliver(&event).await;
        }
    }
    payment
}

/// Lets a process do the work, after another one has aborted at `point` if one is given.
async fn end_of(work: Work, point: Option<&str>, redis: u8) -> End {
    let (world, receiver) = (World::start().await, Receiver::start());
    if work == Work::Deliver {
        add_endpoint(&world, &receiver).await;
    }
    let payment = prepare(&world, work).await;
    if let Some(point) = point {
        let died = Process::start(&world, redis, Some(point)).ended().await;
        assert_eq!(
            died.signal(),
            Some(SIGABRT),
            "{work:?} never reached {point}: {died}"
        );
    }
    let process = Process::start(&world, redis, None);
    until(|| End::of(&world, payment, &receiver), End::is_quiet).await;
    // Read again: the first read was not one snapshot.
    let end = End::of(&world, payment, &receiver).await;
    let stopped = process.stop().await;
    assert!(stopped.success(), "it did not stop cleanly: {stopped}");
    end
}

#[tokio::test]
async fn a_worker_that_dies_at_any_point_changes_no_end() {
    let kinds = [
        (Work::Pay, "create_intent"),
        (Work::Pay, "confirm_intent"),
        (Work::Capture, "capture_intent"),
        (Work::Cancel, "cancel_intent"),
        (Work::Refund, "create_refund"),
        (Work::Evidence, "update_dispute"),
        (Work::Accept, "close_dispute"),
        (Work::Resync, "resync"),
        (Work::Deliver, "deliver_webhook"),
    ];
    let mut cases: Vec<(Work, String)> = kinds
        .iter()
        .flat_map(|(work, kind)| {
            ["claimed", "called", "finished"].map(|point| (*work, format!("{kind}.{point}")))
        })
        .collect();
    cases.extend(
        ["inbox.applying", "inbox.applied", "relay.published"]
            .map(|point| (Work::Webhook, point.to_owned())),
    );

    let ends = stream::iter(cases.into_iter().zip(0_u8..))
        .map(|((work, point), at)| async move {
            let redis = 1 + at % 15;
            let undisturbed = end_of(work, None, redis).await;
            let disturbed = end_of(work, Some(&point), redis).await;
            (work, point, undisturbed, disturbed)
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    for (work, point, undisturbed, disturbed) in ends {
        assert_eq!(disturbed, undisturbed, "{work:?} after a death at {point}");
        assert_eq!(disturbed.charges, 1, "{work:?} after a death at {point}");
        assert_eq!(disturbed.gaps, 0, "{work:?} after a death at {point}");
        assert_eq!(
            disturbed.undelivered, 0,
            "{work:?} after a death at {point}"
        );
        assert_eq!(disturbed.delivered, work == Work::Deliver);
    }
}
