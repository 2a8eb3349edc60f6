//! The state file: the whole state, written to a temporary file and renamed, so that a reader sees the old or the new.

use std::fs;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::bank::consequences;
use crate::effects::{Delivery, Effects};
use crate::objects::{intent, refund};
use crate::routes::idempotency::Record;
use crate::simulator::Simulator;
use crate::store::Store;
use crate::timers::Task;

/// How often a changed state is written.
const INTERVAL: Duration = Duration::from_secs(3);

/// The content of the file.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct State {
    /// All objects.
    pub(crate) store: Store,
    /// All saved answers.
    pub(crate) keys: Vec<Record>,
}

/// Reads the file; without one the state is empty.
pub(crate) fn load(path: &Path) -> anyhow::Result<State> {
    if !path.exists() {
        return Ok(State::default());
    }
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is no state of this simulator; remove it",
            path.display()
        )
    })
}

/// Writes the state now.
pub(crate) fn save(simulator: &Simulator, path: &Path) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct View<'a> {
        store: &'a Store,
        keys: Vec<Record>,
    }
    let keys = simulator.keys.lock().records();
    let text = serde_json::to_vec(&View {
        store: &simulator.store.lock(),
        keys,
    })?;
    let temporary = path.with_extension("tmp");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = BufWriter::new(File::create(&temporary)?);
    file.write_all(&text)?;
    file.into_inner()?.sync_all()?;
    fs::rename(&temporary, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes the state every few seconds while it changes, until `shutdown`.
pub(crate) async fn write_periodically(simulator: Arc<Simulator>, shutdown: CancellationToken) {
    let Some(path) = simulator.config.state_file.clone() else {
        return;
    };
    let mut written = simulator.operations.load(Ordering::Relaxed);
    let mut pause = INTERVAL;
    while shutdown
        .run_until_cancelled(tokio::time::sleep(pause))
        .await
        .is_some()
    {
        let now = simulator.operations.load(Ordering::Relaxed);
        if now == written {
            continue;
        }
        written = now;
        let (simulator, path) = (Arc::clone(&simulator), path.clone());
        let started = Instant::now();
        let saved = tokio::task::spawn_blocking(move || save(&simulator, &path)).await;
        // No request is served while the state is serialized: a large one is written less often.
        pause = INTERVAL.max(started.elapsed() * 20);
        if let Ok(Err(error)) = saved {
            tracing::error!(error = %format!("{error:#}"), "failed to write the state file; retrying after the next change");
        }
    }
}

/// Finds the effects that an earlier process did not finish: events without acknowledgement, charges and refunds that
/// are not settled, what follows a charge, and disputes whose evidence asks for a decision.
pub(crate) fn find_unfinished(store: &mut Store) -> Effects {
    let mut deliveries = Vec::new();
    for event in store.events.iter().filter(|event| !event.is_delivered()) {
        for endpoint in store
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(&event.kind))
        {
            deliveries.push(Delivery {
                event: Arc::clone(event),
                endpoint: Arc::clone(endpoint),
                is_copy: false,
            });
        }
    }
    let intents = store
        .intents
        .iter()
        .filter(|it| it.status == intent::Status::Processing);
    let refunds = store
        .refunds
        .iter()
        .filter(|it| it.status == refund::Status::Pending);
    let followed = store
        .charges
        .iter()
        .filter(|it| consequences::is_due(it).is_some());
    let asked = store
        .disputes
        .iter()
        .filter(|it| it.asked_decision().is_some());
    let hidden = store.intents.iter().filter(|intent| intent.hides_charge);
    let tasks = intents
        .map(|intent| Task::SettleIntent(intent.id.clone()))
        .chain(hidden.map(|intent| Task::ShowCharge(intent.id.clone())))
        .chain(refunds.map(|refund| Task::SettleRefund(refund.id.clone())))
        .chain(followed.map(|charge| Task::FollowUp(charge.id.clone())))
        .chain(asked.map(|dispute| Task::DecideDispute(dispute.id.clone())));
    let tasks: Vec<Task> = tasks.collect();
    for task in tasks {
        store.schedule(task);
    }
    let mut effects = store.take_effects();
    effects.deliveries.extend(deliveries);
    effects
}
