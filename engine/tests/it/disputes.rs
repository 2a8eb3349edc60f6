//! Disputes: imported by webhooks or by a read, answered, accepted, reminded of, and no refund beside them.

use std::collections::BTreeMap;

use contracts::view::DisputeView;
use engine::{Command, DisputeFilter, Error, Page};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;
use workflows::dispute::Status;
use workflows::stream::Refusal;

use crate::world::World;

/// A payment of 10.99 that succeeded, and Stripe's id of its intent.
pub(crate) async fn paid(world: &World) -> (Uuid, String) {
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let view = world.view(payment).await;
    assert_eq!(view.status, "succeeded");
    (payment, view.intent_id.unwrap())
}

/// The customer disputes the payment at the bank; returns Stripe's id of the dispute.
pub(crate) async fn dispute(world: &World, intent: &str, status: &str) -> String {
    let claim = json!({"payment_intent": intent, "status": status});
    let opened = world.simulate("/_sim/disputes", &claim).await;
    opened["id"].as_str().unwrap().to_owned()
}

/// Delivers every event of Stripe's, the new ones and those that were delivered before.
pub(crate) async fn deliver_all(world: &World) {
    for event in world.events().await {
        world.deliver(&event).await;
    }
    world.drain().await;
}

async fn disputes(world: &World, payment: Uuid) -> Vec<DisputeView> {
    let filter = DisputeFilter {
        status: None,
        payment: Some(payment),
    };
    let page = Page {
        limit: 100,
        starting_after: None,
        ending_before: None,
    };
    let found = world.engine.disputes(world.account, filter, &page).await;
    found.unwrap().0
}

pub(crate) async fn only(world: &World, payment: Uuid) -> DisputeView {
    let mut found = disputes(world, payment).await;
    assert_eq!(found.len(), 1);
    found.remove(0)
}

pub(crate) fn evidence(dispute: &DisputeView, submit: bool) -> Command {
    Command::SubmitEvidence {
        dispute: dispute.id.uuid(),
        evidence: BTreeMap::from([("product_description".to_owned(), "A bicycle".to_owned())]),
        submit,
    }
}

fn refund() -> Command {
    Command::Refund {
        amount: Some(1),
        reason: None,
    }
}

pub(crate) async fn decide(world: &World, id: &str, how: &str) {
    let path = format!("/_sim/disputes/{id}/{how}");
    world.simulate(&path, &Value::Null).await;
    deliver_all(world).await;
}

/// The types of the events of the payment's disputes, the oldest first.
async fn types(world: &World, payment: Uuid) -> Vec<String> {
    let mut history = world.history(payment).await;
    history.reverse();
    let theirs = history
        .into_iter()
        .filter(|it| it.machine.starts_with("dispute"));
    theirs.map(|it| it.r#type.into_owned()).collect()
}

#[tokio::test]
async fn a_dispute_is_answered_and_won() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    let stripes = dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    let opened = only(&world, payment).await;
    assert_eq!(
        (&*opened.status, &*opened.funds, &*opened.evidence),
        ("needs_response", "withdrawn", "none")
    );
    assert_eq!((opened.amount, &*opened.stripe_id), (1099, &*stripes));
    assert!(opened.evidence_due_by.is_some());
    assert!(world.view(payment).await.disputed);

    world
        .command(payment, evidence(&opened, false))
        .await
        .unwrap();
    world.drain().await;
    let staged = only(&world, payment).await;
    assert_eq!(
        (&*staged.status, &*staged.evidence),
        ("needs_response", "staged")
    );
    assert_eq!(staged.open_call, None);
    world
        .command(payment, evidence(&staged, true))
        .await
        .unwrap();
    world.drain().await;
    let sent = only(&world, payment).await;
    assert_eq!(
        (&*sent.status, &*sent.evidence),
        ("under_review", "submitted")
    );
    // What the bank reads takes no answer any more.
    let late = world.command(payment, evidence(&sent, true)).await;
    assert!(matches!(
        late,
        Err(Error::Refused(Refusal::WrongDisputeStatus {
            status: Status::UnderReview
        }))
    ));
    decide(&world, &stripes, "win").await;
    let won = only(&world, payment).await;
    assert_eq!((&*won.status, &*won.funds), ("won", "reinstated"));
    assert!(!world.view(payment).await.disputed);
    deliver_all(&world).await;
    assert_eq!(
        types(&world, payment).await,
        [
            "dispute.created",
            "dispute.funds_withdrawn",
            "dispute.evidence_requested",
            "dispute.evidence_staged",
            "dispute.evidence_requested",
            "dispute.under_review",
            "dispute.evidence_submitted",
            "dispute.won",
            "dispute.funds_reinstated",
        ]
    );
    world.command(payment, refund()).await.unwrap();
}

#[tokio::test]
async fn an_accepted_dispute_is_lost() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    let id = only(&world, payment).await.id.uuid();
    let accept = Command::AcceptDispute { dispute: id };
    world.command(payment, accept.clone()).await.unwrap();
    // A second wish while the first is under way is refused, whichever it is.
    let again = world.command(payment, accept).await;
    assert!(matches!(
        again,
        Err(Error::Refused(Refusal::CallOpen { .. }))
    ));
    world.drain().await;
    let lost = only(&world, payment).await;
    assert_eq!((&*lost.status, lost.open_call), ("lost", None));
    assert!(world.view(payment).await.disputed);
}

#[tokio::test]
async fn a_refund_is_refused_while_a_dispute_is_open_or_lost_and_not_during_an_inquiry() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    let stripes = dispute(&world, &intent, "warning_needs_response").await;
    deliver_all(&world).await;
    assert!(!world.view(payment).await.disputed);
    world.command(payment, refund()).await.unwrap();
    world.drain().await;

    decide(&world, &stripes, "escalate").await;
    let escalated = only(&world, payment).await;
    assert_eq!(
        (&*escalated.status, &*escalated.funds),
        ("needs_response", "withdrawn")
    );
    let refused = world.command(payment, refund()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Disputed))));
    decide(&world, &stripes, "lose").await;
    let refused = world.command(payment, refund()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Disputed))));
    assert_eq!(world.view(payment).await.amount_refunded, 1);
}

#[tokio::test]
async fn refunds_beside_the_first_word_of_a_dispute_are_made_before_it_or_refused() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    dispute(&world, &intent, "needs_response").await;
    let events = world.events().await;
    let refunds = join_all((0..20).map(|_| world.command(payment, refund())));
    let webhooks = async {
        for event in &events {
            world.deliver(event).await;
        }
        world.worker.drain().await.unwrap();
    };
    let (asked, ()) = tokio::join!(refunds, webhooks);
    let accepted = asked.iter().filter(|it| it.is_ok()).count();
    for refused in asked.into_iter().filter_map(Result::err) {
        assert!(
            matches!(refused, Error::Refused(Refusal::Disputed)),
            "{refused:?}"
        );
    }
    // A report that found the payment locked for long waits for its next turn.
    sqlx::query("update inbox_open set due_at = now()")
        .execute(world.database.pool())
        .await
        .unwrap();
    world.drain().await;
    // In the history no refund begins after the dispute.
    let mut history = world.history(payment).await;
    history.reverse();
    let at = |name: &str| history.iter().position(|it| it.r#type == name);
    let opened = at("dispute.created").unwrap();
    let begun: Vec<usize> = history
        .iter()
        .enumerate()
        .filter(|(_, it)| it.r#type == "refund.created")
        .map(|(at, _)| at)
        .collect();
    assert_eq!(begun.len(), accepted);
    assert!(begun.into_iter().all(|begun| begun < opened));
    // Stripe refuses those that it learns of after the dispute; their sums are free again.
    assert_eq!(world.view(payment).await.amount_reserved, 0);
}

#[tokio::test]
async fn a_dispute_whose_webhooks_are_lost_is_found_by_the_check_of_its_payment() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    let stripes = dispute(&world, &intent, "needs_response").await;
    let created = world.events().await;
    let created = created
        .iter()
        .find(|it| it["type"] == "charge.dispute.created");
    world.deliver(created.unwrap()).await;
    world.drain().await;
    world
        .simulate(&format!("/_sim/disputes/{stripes}/win"), &Value::Null)
        .await;
    world.fire_timers("check").await;
    let won = only(&world, payment).await;
    assert_eq!((&*won.status, &*won.funds), ("won", "reinstated"));
    let timers = "select count(*) from timer";
    assert_eq!(world.count(timers).await, 0);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_at_the_dispute() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    let opened = only(&world, payment).await;
    world
        .fault(json!([{"fault": "drop_after", "route": "disputes.update", "count": 3}]))
        .await;
    world
        .command(payment, evidence(&opened, true))
        .await
        .unwrap();
    world.drain().await;
    world.fault(json!([])).await;
    world.drain().await;
    let sent = only(&world, payment).await;
    assert_eq!((&*sent.status, sent.open_call), ("under_review", None));
    let submitted = "select count(*) from transition where machine = 'dispute_evidence' and to_status = 'submitted'";
    assert_eq!(world.count(submitted).await, 1);
}

#[tokio::test]
async fn a_file_that_stripe_does_not_know_is_shown_as_the_disputes_error() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    let opened = only(&world, payment).await;
    let command = Command::SubmitEvidence {
        dispute: opened.id.uuid(),
        evidence: BTreeMap::from([("receipt".to_owned(), "upload_1".to_owned())]),
        submit: true,
    };
    world.command(payment, command).await.unwrap();
    world.drain().await;
    let refused = only(&world, payment).await;
    let error = refused.error.unwrap();
    assert_eq!(error.code.as_deref(), Some("resource_missing"));
    assert_eq!(
        (&*refused.status, &*refused.evidence, refused.open_call),
        ("needs_response", "none", None)
    );
    let told = types(&world, payment).await;
    assert_eq!(told.last().unwrap(), "dispute.request_refused");
}

#[tokio::test]
async fn a_merchant_is_reminded_once_before_evidence_is_due() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    // It is due in seven days: a timer that fires early finds nothing to say and is set anew by nobody.
    let due = "select count(*) from timer where kind = 'evidence' and due_at between now() + interval '4 days' \
               and now() + interval '5 days'";
    assert_eq!(world.count(due).await, 1);
    sqlx::query("update dispute set due_by = extract(epoch from now())::int8 + 3600")
        .execute(world.database.pool())
        .await
        .unwrap();
    world.fire_timers("evidence").await;
    let timers = "select count(*) from timer where kind = 'evidence'";
    assert_eq!(world.count(timers).await, 0);
    let said = types(&world, payment).await;
    let said = said.iter().filter(|it| *it == "dispute.evidence_due");
    assert_eq!(said.count(), 1);
}

#[tokio::test]
async fn another_account_sees_no_dispute() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    let id = only(&world, payment).await.id.uuid();
    let stranger = Uuid::now_v7();
    assert!(world.engine.dispute(stranger, id).await.unwrap().is_none());
    let page = Page {
        limit: 100,
        starting_after: None,
        ending_before: None,
    };
    let filter = DisputeFilter::default();
    let listed = world.engine.disputes(stranger, filter, &page).await;
    assert!(listed.unwrap().0.is_empty());
}
