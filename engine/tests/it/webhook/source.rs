//! Whose events are applied: those of our mode and our account.

use engine::webhook::{Source, parse};
use serde_json::{Value, json};
use workflows::payment::Status;

use crate::world::World;

fn stranger(source: &Source, event: &Value) -> bool {
    let incoming = parse(event.to_string().as_bytes()).unwrap();
    source.stranger(&incoming).is_some()
}

#[test]
fn an_event_of_another_mode_or_account_is_a_strangers() {
    let event = |livemode: bool, account: Option<&str>| {
        json!({"id": "evt_1", "type": "payment_intent.succeeded", "created": 1_790_000_000, "livemode": livemode,
               "account": account, "data": {"object": {"id": "pi_1", "object": "payment_intent", "status": "succeeded",
               "amount": 1, "currency": "eur", "metadata": {}}}})
    };
    let own = |livemode| Source {
        livemode,
        account: None,
    };
    let connected = Source {
        livemode: true,
        account: Some("acct_1".to_owned()),
    };
    for (source, livemode, account, is_stranger) in [
        (own(false), false, None, false),
        (own(false), true, None, true),
        (own(true), false, None, true),
        (own(true), true, None, false),
        (own(true), true, Some("acct_1"), true),
        (connected.clone(), true, Some("acct_1"), false),
        (connected.clone(), true, Some("acct_2"), true),
        (connected, true, None, false),
    ] {
        let event = event(livemode, account);
        assert_eq!(stranger(&source, &event), is_stranger, "{source:?} {event}");
    }
}

#[tokio::test]
async fn a_strangers_event_is_kept_and_moves_nothing() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let succeeded = world
        .events()
        .await
        .into_iter()
        .find(|event| event["type"] == "payment_intent.succeeded")
        .unwrap();
    let before = world.view(payment).await;
    assert_eq!(before.status, Status::Succeeded.as_str());
    for (id, field, value) in [
        ("evt_live", "livemode", json!(true)),
        ("evt_connected", "account", json!("acct_other")),
    ] {
        let mut event = succeeded.clone();
        event["id"] = json!(id);
        event["data"]["object"]["status"] = json!("canceled");
        event["type"] = json!("payment_intent.canceled");
        event[field] = value;
        world.deliver(&event).await;
    }
    world.drain().await;
    assert_eq!(world.view(payment).await.version, before.version);
    let kept: Vec<(String, String)> =
        sqlx::query_as("select id, status from inbox_status where error is not null order by id")
            .fetch_all(world.database.pool())
            .await
            .unwrap();
    let expected = [("evt_connected", "foreign"), ("evt_live", "other_mode")];
    assert_eq!(
        kept,
        expected.map(|(id, status)| (id.to_owned(), status.to_owned()))
    );
}
