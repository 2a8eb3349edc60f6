//! The comparison of Stripe's objects with the database.

use std::time::Duration;

use contracts::audit::BothView;
use engine::audit::{AuditKey, Auditor};
use engine::stripe::{Client, ClientConfig};
use engine::{Command, Scope};
use infra::env::SecretString;
use time::OffsetDateTime;

use crate::wait::until;
use crate::world::World;

fn auditor(world: &World) -> Auditor {
    let key = SecretString::from("sk_test_engine");
    Auditor {
        pool: world.database.pool().clone(),
        key: AuditKey::derive(&key),
        stripe: Client::new(&ClientConfig::new(world.stripe.clone(), key)).unwrap(),
    }
}

async fn audit(world: &World) -> contracts::audit::AuditView {
    let to = OffsetDateTime::now_utc() + time::Duration::minutes(1);
    let from = to - time::Duration::hours(1);
    let report = auditor(world).audit(from, to, Duration::ZERO).await;
    report.unwrap()
}

#[tokio::test]
async fn an_audit_finds_each_difference_with_both_values_and_nothing_else() {
    let world = World::start().await;
    let ours = world.create("pm_card_visa").await;
    world.create("pm_card_chargeDeclined").await;
    world.drain().await;
    let refund = Command::Refund {
        amount: Some(99),
        reason: None,
    };
    world.command(ours, refund).await.unwrap();
    world.drain().await;
    // Another program's intent on the same Stripe account is no difference.
    let form = [("amount", "500"), ("currency", "eur")];
    world.post("/v1/payment_intents", &form).await;

    let report = audit(&world).await;
    assert!(
        report.summary.starts_with("0 drifts, checked at 2"),
        "{}",
        report.summary
    );
    assert_eq!(report.drifts, []);
    assert_eq!(report.sums.len(), 1);
    let sums = &report.sums[0];
    let both = |number| BothView {
        stripe: number,
        pawl: number,
    };
    assert_eq!(
        (sums.payments, sums.captured, sums.refunded),
        (both(2), both(1099), both(99))
    );

    sqlx::query("update payment set amount_captured = 1000, amount_refunded = 0 where id = $1")
        .bind(ours)
        .execute(world.database.pool())
        .await
        .unwrap();
    let report = audit(&world).await;
    let found: Vec<_> = report
        .drifts
        .iter()
        .map(|it| (&*it.what, it.stripe.as_str(), it.pawl.as_str()))
        .collect();
    assert_eq!(
        found,
        [("captured", "1099", "1000"), ("refunded", "99", "0")]
    );
    assert!(report.summary.starts_with("2 drifts"), "{}", report.summary);
    assert_eq!(report.drifts[0].payment_id.uuid(), ours);
    assert_eq!(
        report.sums[0].captured,
        BothView {
            stripe: 1099,
            pawl: 1000
        }
    );

    // The resync that the report asks for mends what Stripe's intent shows.
    sqlx::query("update payment set amount_refunded = 99 where id = $1")
        .bind(ours)
        .execute(world.database.pool())
        .await
        .unwrap();
    world.engine.resync(world.account, ours).await.unwrap();
    world.drain().await;
    assert_eq!(audit(&world).await.drifts, []);
}

#[tokio::test]
async fn an_audit_finds_payments_that_one_side_does_not_know() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    sqlx::query("update payment set intent_id = 'pi_of_nobody' where id = $1")
        .bind(payment)
        .execute(world.database.pool())
        .await
        .unwrap();
    let report = audit(&world).await;
    let found: Vec<_> = report
        .drifts
        .iter()
        .map(|it| (&*it.what, &*it.pawl))
        .collect();
    assert_eq!(found, [("payment", "none"), ("payment", "pi_of_nobody")]);
    assert!(
        report
            .drifts
            .iter()
            .all(|it| it.payment_id.uuid() == payment)
    );
    assert!(report.drifts[0].action.contains("restored from a backup"));
}

#[tokio::test]
async fn a_kept_report_is_signed_and_its_account_sees_its_own_part() {
    let world = World::start().await;
    world.create("pm_card_visa").await;
    world.drain().await;
    assert!(
        world
            .engine
            .drift(Scope::Account(world.account))
            .await
            .unwrap()
            .is_none()
    );
    let made = audit(&world).await;
    let (kept, valid) = auditor(&world).newest().await.unwrap().unwrap();
    assert!(valid);
    assert_eq!(kept.summary, made.summary);
    let other = Auditor {
        key: AuditKey::derive(&SecretString::from("sk_test_other")),
        ..auditor(&world)
    };
    assert!(!other.newest().await.unwrap().unwrap().1);

    let own = world
        .engine
        .drift(Scope::Account(world.account))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(own.audit.sums.len(), 1);
    assert_eq!((own.signature.len(), own.key_id.len()), (64, 16));
    let strange = world
        .engine
        .drift(Scope::Account(uuid::Uuid::now_v7()))
        .await
        .unwrap()
        .unwrap();
    assert!(strange.audit.sums.is_empty());
    let changed = sqlx::query("update audit_report set drifts = 0").execute(world.database.pool());
    assert!(changed.await.is_err());
}

/// Waits until Stripe has so many disputes.
async fn disputed(world: &World, wanted: usize) {
    until("the customers dispute their charges", async || {
        let listed = world.get("/v1/disputes").await;
        listed["data"].as_array().unwrap().len() == wanted
    })
    .await;
}

#[tokio::test]
async fn an_audit_finds_disputes_that_no_event_reported() {
    let world = World::start().await;
    let payment = world.create("pm_card_createDispute").await;
    world.drain().await;
    disputed(&world, 1).await;
    let listed = world.get("/v1/disputes").await;
    let id = listed["data"][0]["id"].as_str().unwrap().to_owned();
    // Neither is another program's dispute a difference, nor one whose payment the database does not know.
    let form = [
        ("amount", "500"),
        ("currency", "eur"),
        ("payment_method", "pm_card_createDispute"),
        ("payment_method_types[]", "card"),
        ("confirm", "true"),
    ];
    world.post("/v1/payment_intents", &form).await;
    disputed(&world, 2).await;

    let found = async || {
        let report = audit(&world).await;
        let drifts = report.drifts.iter();
        let drifts: Vec<_> = drifts
            .map(|it| (it.what.to_string(), it.stripe.clone(), it.pawl.clone()))
            .collect();
        assert!(report.drifts.iter().all(|it| it.action.contains(&id)));
        (drifts, report.sums[0].withdrawn)
    };
    let drift = |what: &str, stripe: &str, pawl: &str| {
        (what.to_owned(), stripe.to_owned(), pawl.to_owned())
    };
    let both = |stripe, pawl| BothView { stripe, pawl };
    let expected = vec![drift("dispute", &id, "none")];
    assert_eq!(found().await, (expected, both(1099, 0)));
    world.engine.resync(world.account, payment).await.unwrap();
    world.drain().await;
    assert_eq!(found().await, (Vec::new(), both(1099, 1099)));

    world.post(&format!("/_sim/disputes/{id}/win"), &[]).await;
    let expected = vec![
        drift("dispute_status", "won", "needs_response"),
        drift("dispute_funds", "reinstated", "withdrawn"),
    ];
    assert_eq!(found().await, (expected, both(0, 1099)));
    world.engine.resync(world.account, payment).await.unwrap();
    world.drain().await;
    assert_eq!(found().await, (Vec::new(), both(0, 0)));
}
