//! The explanation of a payment, of a refund and of a dispute in each status, of calls whose outcome is unknown, and of dead jobs.

use contracts::explanation::{ExplanationView, NextKind, WaitsFor};
use engine::{Command, Error, JobFilter, JobState, NewPayment, Scope};
use serde_json::json;
use uuid::Uuid;
use workflows::payment::{CaptureMethod, Status};
use workflows::{dispute, refund};

use crate::disputes;
use crate::disputes::{deliver_all, only, paid};
use crate::world::World;

async fn create(world: &World, new: NewPayment) -> Uuid {
    let key = world.key("/api/v1/payments");
    world.engine.create(new, key).await.unwrap().payment
}

async fn explain(world: &World, payment: Uuid) -> ExplanationView {
    world.engine.explain(world.account, payment).await.unwrap()
}

fn names(explanation: &ExplanationView) -> Vec<&str> {
    let actions = explanation.client_can.iter();
    actions.map(|action| &*action.name).collect()
}

fn kinds(explanation: &ExplanationView) -> Vec<NextKind> {
    explanation.next.iter().map(|next| next.kind).collect()
}

/// A payment in this status, made as a client, a customer and Stripe make it.
async fn payment_in(world: &World, status: Status) -> Uuid {
    let order = match status {
        Status::RequiresPaymentMethod => World::order("pm_card_chargeDeclined"),
        Status::RequiresConfirmation => NewPayment {
            confirm: false,
            ..World::order("pm_card_visa")
        },
        Status::RequiresAction => World::order("pm_card_authenticationRequired"),
        Status::Processing => World::order("pm_usBankAccount_processing"),
        Status::RequiresCapture | Status::Canceled => NewPayment {
            capture_method: CaptureMethod::Manual,
            ..World::order("pm_card_visa")
        },
        Status::LocalRejected => World::order("pm_of_nobody"),
        Status::LocalCreated | Status::Succeeded => World::order("pm_card_visa"),
    };
    let payment = create(world, order).await;
    if status == Status::LocalCreated {
        return payment;
    }
    world.drain().await;
    if status == Status::Canceled {
        let reason = Some("requested_by_customer".to_owned());
        let cancel = Command::Cancel { reason };
        world.command(payment, cancel).await.unwrap();
        world.drain().await;
    }
    payment
}

/// Whose turn it is in a status, what the client can do, what happens by itself, and a part of the summary.
fn expected(
    status: Status,
) -> (
    WaitsFor,
    &'static [&'static str],
    &'static [NextKind],
    &'static str,
) {
    use NextKind::{AuthorizationEnds, AuthorizationReminder, Call, Check};
    use WaitsFor::{Bank, Client, Customer, Nothing, Pawl};
    let confirm: &[&str] = &["confirm", "cancel"];
    match status {
        Status::LocalCreated => (
            Pawl,
            &["cancel"],
            &[Call],
            "create_intent waits for a worker",
        ),
        Status::RequiresPaymentMethod => (
            Client,
            confirm,
            &[Check],
            "The last attempt failed (generic_decline",
        ),
        Status::RequiresConfirmation => (Client, confirm, &[Check], "waits for its confirmation"),
        Status::RequiresAction => (Customer, confirm, &[Check], "The customer must act"),
        Status::Processing => (
            Bank,
            &["cancel"],
            &[Check],
            "The bank or the payment method",
        ),
        Status::RequiresCapture => (
            Client,
            &["capture", "cancel"],
            &[Check, AuthorizationReminder, AuthorizationEnds],
            "can be captured or canceled until 2",
        ),
        Status::Succeeded => (
            Nothing,
            &["refund"],
            &[],
            "1099 was captured and 0 given back. It is at rest",
        ),
        Status::Canceled => (Nothing, &[], &[], "It was canceled (requested_by_customer)"),
        Status::LocalRejected => (
            Nothing,
            &[],
            &[],
            "Stripe refused to make it (resource_missing",
        ),
    }
}

#[tokio::test]
async fn a_payment_in_each_status_says_whose_turn_it_is_and_what_can_be_done() {
    let world = World::start().await;
    for status in Status::ALL {
        let (waits_for, client_can, next, says) = expected(*status);
        let payment = payment_in(&world, *status).await;
        let explanation = explain(&world, payment).await;
        let summary = &explanation.summary;
        assert_eq!(explanation.status, status.as_str());
        assert_eq!(explanation.waits_for, waits_for, "{status}: {summary}");
        assert!(summary.contains(says), "{status}: {summary}");
        let at_rest = waits_for == WaitsFor::Nothing;
        assert_eq!(explanation.at_rest, at_rest, "{status}");
        assert_eq!(summary.contains("at rest"), at_rest, "{status}: {summary}");
        assert_eq!(names(&explanation), client_can, "{status}");
        assert_eq!(kinds(&explanation), next, "{status}");
        let newest = world.history(payment).await;
        let newest = newest.iter().find(|it| it.machine == "payment").unwrap();
        let reached = explanation.reached.unwrap();
        assert_eq!(
            (reached.kind.as_str(), reached.version, &reached.cause),
            (&*newest.kind, newest.version, &newest.cause),
            "{status}"
        );
        assert_eq!(explanation.edges.is_empty(), status.is_final(), "{status}");
        world.drain().await;
    }
}

#[tokio::test]
async fn a_refund_in_each_status_says_whose_turn_it_is() {
    let world = World::start().await;
    let payment = create(&world, World::order("pm_card_visa")).await;
    world.drain().await;
    let requested = Command::Refund {
        amount: Some(100),
        reason: None,
    };
    let refund = world.command(payment, requested).await.unwrap().subject;
    let at = async |status: &str| {
        sqlx::query("update refund set status = $1, error = '{\"code\": \"lost_or_stolen_card\"}'")
            .bind(status)
            .execute(world.database.pool())
            .await
            .unwrap();
        let explained = world.engine.explain_refund(world.account, refund).await;
        explained.unwrap()
    };
    let waiting = world.engine.explain_refund(world.account, refund).await;
    let waiting = waiting.unwrap();
    assert_eq!(waiting.waits_for, WaitsFor::Pawl);
    assert_eq!(waiting.calls[0].kind, "create_refund");
    let of_payment = explain(&world, payment).await;
    assert_eq!(of_payment.waits_for, WaitsFor::Pawl);
    assert!(!of_payment.at_rest, "{}", of_payment.summary);
    world.drain().await;
    for status in refund::Status::ALL {
        let (waits_for, says) = match status {
            refund::Status::LocalRequested => (WaitsFor::Operator, "has no job"),
            refund::Status::Pending => (WaitsFor::Bank, "the bank has not taken it yet"),
            refund::Status::RequiresAction => (WaitsFor::Customer, "customer must act"),
            refund::Status::Succeeded => (WaitsFor::Nothing, "on its way back"),
            refund::Status::Failed => (WaitsFor::Nothing, "lost_or_stolen_card"),
            refund::Status::Canceled => (WaitsFor::Nothing, "was withdrawn"),
            refund::Status::LocalRejected => (WaitsFor::Nothing, "Stripe refused to make it"),
        };
        let explanation = at(status.as_str()).await;
        assert_eq!(explanation.waits_for, waits_for, "{status}");
        assert!(
            explanation.summary.contains(says),
            "{}",
            explanation.summary
        );
        let at_rest = explanation.summary.contains("at rest");
        assert_eq!(explanation.at_rest, at_rest, "{status}");
        let reached = explanation.reached.unwrap();
        assert_eq!(reached.kind, "created", "{status}");
    }
}

#[tokio::test]
async fn a_dispute_in_each_status_says_whose_turn_it_is_and_what_can_be_done() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    disputes::dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    let id = only(&world, payment).await.id;
    for status in dispute::Status::ALL {
        let (waits_for, says) = match status {
            dispute::Status::WarningNeedsResponse => (WaitsFor::Client, "or refund the payment"),
            dispute::Status::NeedsResponse => {
                (WaitsFor::Client, "or accept it, evidence is due by 2")
            }
            dispute::Status::WarningUnderReview | dispute::Status::UnderReview => {
                (WaitsFor::Bank, "The bank reads the evidence")
            }
            dispute::Status::WarningClosed => (WaitsFor::Nothing, "without a dispute"),
            dispute::Status::Won => (WaitsFor::Nothing, "for the merchant"),
            dispute::Status::Lost => (WaitsFor::Nothing, "to the customer"),
            dispute::Status::Prevented => (WaitsFor::Nothing, "was resolved before"),
        };
        sqlx::query("update dispute set status = $1, error = '{\"code\": \"no_such_file\"}'")
            .bind(status.as_str())
            .execute(world.database.pool())
            .await
            .unwrap();
        let explained = world.engine.explain_dispute(world.account, id.uuid());
        let explanation = explained.await.unwrap();
        let summary = &explanation.summary;
        assert_eq!(explanation.status, status.as_str());
        assert_eq!(explanation.subject, id.to_string());
        assert_eq!(explanation.waits_for, waits_for, "{status}: {summary}");
        assert!(summary.contains(says), "{status}: {summary}");
        assert!(summary.contains("The money is withdrawn"), "{summary}");
        let at_rest = waits_for == WaitsFor::Nothing;
        assert_eq!(summary.contains("at rest"), at_rest, "{status}: {summary}");
        let waits = waits_for == WaitsFor::Client;
        assert_eq!(summary.contains("no_such_file"), waits, "{summary}");
        let commands: &[&str] = if waits { &["evidence", "accept"] } else { &[] };
        assert_eq!(names(&explanation), commands, "{status}");
        // The money moved after the dispute was opened; that is no status of the dispute.
        assert_eq!(explanation.reached.unwrap().kind, "opened");
    }
}

#[tokio::test]
async fn a_call_of_unknown_outcome_says_what_is_missing_and_when_stripe_is_asked_again() {
    let calls = [
        (
            "payment_intents.create",
            "create_intent",
            "names the payment",
        ),
        (
            "payment_intents.confirm",
            "confirm_intent",
            "did not show before",
        ),
    ];
    for (route, kind, missing) in calls {
        let world = World::start().await;
        world
            .fault(json!([{"fault": "drop_after", "count": 3, "route": route}]))
            .await;
        let payment = create(&world, World::order("pm_card_visa")).await;
        world.worker.round().await.unwrap();
        let explanation = explain(&world, payment).await;
        assert_eq!(explanation.waits_for, WaitsFor::Stripe, "{kind}");
        let call = &explanation.calls[0];
        assert_eq!((call.kind.as_str(), &*call.state), (kind, "unknown"));
        let unknown = call.unknown.as_ref().unwrap();
        assert!(unknown.missing.contains(missing), "{}", unknown.missing);
        assert!(unknown.since.is_some());
        assert_eq!(unknown.next_probe_at, call.due_at);
        assert!(explanation.summary.contains(&unknown.missing));
        assert_eq!(explanation.next[0].at, call.due_at);

        let (scope, any) = (Scope::Account(world.account), JobFilter::default());
        let (jobs, _) = world
            .engine
            .jobs(scope, JobState::Unknown, &any, None, 10)
            .await
            .unwrap();
        assert_eq!((jobs.len(), jobs[0].state.as_str()), (1, "unknown"));
        assert!(jobs[0].unknown.is_some());
        let (queued, _) = world
            .engine
            .jobs(scope, JobState::Queued, &any, None, 10)
            .await
            .unwrap();
        assert!(queued.is_empty(), "{queued:?}");

        world.drain().await;
        assert_eq!(explain(&world, payment).await.status, "succeeded");
        assert_eq!(world.charges(payment).await, 1);
    }
}

#[tokio::test]
async fn a_call_whose_key_is_too_old_is_read_for_a_week_and_never_sent_again() {
    let world = World::start().await;
    world
        .fault(json!([{"fault": "drop_before", "count": 1, "route": "payment_intents.confirm"}]))
        .await;
    let payment = create(&world, World::order("pm_card_visa")).await;
    world.worker.round().await.unwrap();
    let sent = "update job set due_at = now(), first_sent_at = now() - interval '2 days' where state = 'queued'";
    sqlx::query(sent)
        .execute(world.database.pool())
        .await
        .unwrap();
    world.worker.round().await.unwrap();
    let explanation = explain(&world, payment).await;
    assert_eq!(explanation.waits_for, WaitsFor::Stripe);
    assert!(
        explanation.summary.contains("is not sent again"),
        "{}",
        explanation.summary
    );
    let hour = "select count(*) from job where state = 'queued' and unknown
                and due_at between now() + interval '55 minutes' and now() + interval '1 hour'";
    assert_eq!(world.count(hour).await, 1);

    let sent = "update job set due_at = now(), first_sent_at = now() - interval '8 days' where state = 'queued'";
    sqlx::query(sent)
        .execute(world.database.pool())
        .await
        .unwrap();
    world.worker.round().await.unwrap();
    let explanation = explain(&world, payment).await;
    assert_eq!(explanation.waits_for, WaitsFor::Operator);
    let operator_can: Vec<&str> = explanation
        .operator_can
        .iter()
        .map(|it| &*it.name)
        .collect();
    assert_eq!(operator_can, ["retry_job", "resync", "force"]);
    assert_eq!(world.view(payment).await.status, "requires_confirmation");
    assert_eq!(world.charges(payment).await, 0);
}

#[tokio::test]
async fn another_accounts_payment_is_not_explained() {
    let world = World::start().await;
    let payment = create(&world, World::order("pm_card_visa")).await;
    for (account, id) in [(Uuid::now_v7(), payment), (world.account, Uuid::now_v7())] {
        let explained = world.engine.explain(account, id).await;
        assert!(matches!(explained, Err(Error::NotFound)), "{explained:?}");
        let explained = world.engine.explain_refund(account, id).await;
        assert!(matches!(explained, Err(Error::NotFound)), "{explained:?}");
        let explained = world.engine.explain_dispute(account, id).await;
        assert!(matches!(explained, Err(Error::NotFound)), "{explained:?}");
    }
}
