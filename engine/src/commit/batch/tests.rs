//! How large the batches of a queue become.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use infra::health::Loops;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::{Batch, BatchQueue, GATHER, LOAD};

/// Commits nothing, and notes the size of each batch.
struct Sizes(Arc<Mutex<Vec<usize>>>);

impl Batch for Sizes {
    const NAME: &'static str = "sizes";
    type Request = ();
    type Outcome = ();

    async fn commit(&self, requests: &[()]) -> sqlx::Result<Vec<Option<()>>> {
        self.0.lock().push(requests.len());
        Ok(vec![Some(()); requests.len()])
    }
}

fn queue() -> (BatchQueue<Sizes>, Arc<Mutex<Vec<usize>>>) {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let queue = BatchQueue::start(Sizes(Arc::clone(&sizes)), &Loops::default());
    (queue, sizes)
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_adds_no_wait() {
    let (queue, sizes) = queue();
    let start = Instant::now();
    for _ in 0..5 {
        queue.submit(()).await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(*sizes.lock(), [1; 5]);
}

#[tokio::test(start_paused = true)]
async fn under_load_requests_that_come_soon_share_a_batch() {
    let (queue, sizes) = queue();
    join_all((0..LOAD).map(|_| queue.submit(()))).await;
    // Without a wait the first of these would be a batch of its own.
    let late = async |after: Duration| {
        sleep(after).await;
        queue.submit(()).await.unwrap();
    };
    let start = Instant::now();
    join_all([0, 1, 2, 5].map(|after| late(Duration::from_millis(after)))).await;
    assert_eq!(start.elapsed(), GATHER);
    assert_eq!(*sizes.lock(), [LOAD, 4]);

    // The load is over: the next request waits no more.
    let start = Instant::now();
    queue.submit(()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_large_enough_does_not_wait() {
    let (queue, sizes) = queue();
    join_all((0..LOAD).map(|_| queue.submit(()))).await;
    let start = Instant::now();
    join_all((0..super::ENOUGH).map(|_| queue.submit(()))).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(*sizes.lock(), [LOAD, super::ENOUGH]);
}
