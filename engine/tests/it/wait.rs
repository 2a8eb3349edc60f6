//! Waiting without sleeping longer than needed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Returns as soon as `holds` does; panics when it does not within 30 s.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
