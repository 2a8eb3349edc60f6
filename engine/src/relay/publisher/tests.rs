//! A producer whose broker does not answer.

use std::net::TcpListener;

use tokio::time::timeout;

use super::*;
use crate::store::outbox::Row;

const MESSAGE: &str = r#"{"id": "evt_01h2xcejqtf2nbrexx3vqjhp41_1", "type": "pawl.payment.accepted", "time": "2026-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn a_broker_that_swallows_everything_costs_a_bounded_wait() {
    // The system accepts connections, and nobody reads from them.
    let broker = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = broker.local_addr().unwrap().to_string();
    let publisher = Publisher::new(&address.as_str().into()).unwrap();
    let rows = [Row {
        seq: 1,
        messages: MESSAGE.to_owned(),
    }];
    let mut portion = Portion::read(&rows).unwrap();
    let publishing = publisher.publish(&mut portion);
    timeout(ACKNOWLEDGED_WITHIN * 2, publishing)
        .await
        .expect("the relay gives up");
    assert!(portion.failure.is_some());
    assert!(portion.published().is_empty() && portion.versions().is_empty());
}
