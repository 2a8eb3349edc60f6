//! Open pages are told that something changed, at most once a second.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::error::PageError;
use super::visit::Visit;
use crate::Core;

/// How often Postgres is asked whether anything was written.
const EVERY: Duration = Duration::from_secs(1);

/// After how long a stream ends; the browser opens another one, with the rights that the person has then.
const LONGEST: Duration = Duration::from_mins(5);

/// The latest position of Postgres' log that is known. It is read once a second for all streams together, and only while there
/// are streams.
#[derive(Clone)]
pub(super) struct Changes(watch::Sender<Option<String>>);

impl Default for Changes {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Changes {
    /// Follows the changes; the first stream starts the reader, which ends with the last one.
    fn subscribe(&self, core: &Core) -> watch::Receiver<Option<String>> {
        let is_first = self.0.receiver_count() == 0;
        let receiver = self.0.subscribe();
        if is_first {
            tokio::spawn(read(self.0.clone(), core.clone()));
        }
        receiver
    }
}

async fn read(changes: watch::Sender<Option<String>>, core: Core) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while changes.receiver_count() > 0 {
        ticks.tick().await;
        match core.engine.log_position().await {
            Ok(position) => {
                changes.send_if_modified(|known| {
                    let is_new = known.as_ref() != Some(&position);
                    *known = Some(position);
                    is_new
                });
            }
            Err(error) => {
                tracing::debug!(%error, "failed to read the position of Postgres' log; open pages show changes later");
            }
        }
    }
}

/// The stream of a page: `changed` whenever anything was written.
pub(super) async fn stream(
    State(core): State<Core>,
    _: Visit,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, PageError> {
    let changes = core.console.changes.subscribe(&core);
    let stopping = core.console.stopping.clone();
    let ends = tokio::time::Instant::now() + LONGEST;
    let events = stream::unfold(
        (changes, stopping),
        move |(mut changes, stopping)| async move {
            tokio::select! {
                () = stopping.cancelled() => None,
                () = tokio::time::sleep_until(ends) => None,
                news = changes.changed() => {
                    news.ok()?;
                    // A browser drops an event without data (HTML, 9.2.6).
                    let event = Event::default().event("changed").data("1");
                    Some((Ok(event), (changes, stopping)))
                }
            }
        },
    );
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
