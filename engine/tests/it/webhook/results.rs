//! What the inbox keeps of an event that was processed.

use workflows::payment::Status;

use crate::world::World;

#[tokio::test]
async fn an_event_is_processed_once_however_often_it_is_delivered_and_its_result_is_kept() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let before = world.view(payment).await;
    assert_eq!(before.status, Status::Succeeded.as_str());
    for _ in 0..2 {
        for event in world.events().await {
            world.deliver(&event).await;
        }
        world.drain().await;
    }
    let events = world.count("select count(*) from inbox").await;
    assert!(events > 0);
    assert_eq!(world.count("select count(*) from inbox_open").await, 0);
    let results: Vec<(String, i32)> =
        sqlx::query_as("select disposition, tries from inbox_result where payment_id = $1")
            .bind(payment)
            .fetch_all(world.database.pool())
            .await
            .unwrap();
    assert_eq!(i64::try_from(results.len()).unwrap(), events);
    for result in results {
        assert_eq!(result, ("ignored".to_owned(), 1));
    }
    assert_eq!(world.view(payment).await.version, before.version);
}
