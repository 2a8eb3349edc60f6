//! The state file: everything, written to a temporary file and renamed, so that a reader sees the old or the new.

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

use crate::event::Delivery;
use crate::idempotency::Record;
use crate::lock::Lock;
use crate::simulator::Simulator;
use crate::store::{Effects, Store, Task, Timer};
use crate::{intent, refund};

/// How often a changed state is written.
const INTERVAL: Duration = Duration::from_secs(3);

/// What the file holds.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Snapshot {
    /// All objects.
    pub(crate) store: Store,
    /// All saved answers.
    pub(crate) keys: Vec<Record>,
}

/// The file's content, or an empty state when there is no file yet.
pub(crate) fn load(path: &Path) -> anyhow::Result<Snapshot> {
    if !path.exists() {
        return Ok(Snapshot::default());
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
    let keys = simulator.keys.hold().records();
    let text = serde_json::to_vec(&View {
        store: &simulator.store.hold(),
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
pub(crate) async fn keep(simulator: Arc<Simulator>, shutdown: CancellationToken) {
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
        // Nobody is served while the state is written out: a large one is written less often.
        pause = INTERVAL.max(started.elapsed() * 20);
        if let Ok(Err(fault)) = saved {
            tracing::error!("the state was not written: {fault:#}");
        }
    }
}

/// What a process that ended left undone: events not acknowledged, charges and refunds not settled.
pub(crate) fn unfinished(store: &Store) -> Effects {
    let mut effects = Effects::default();
    for event in store.events.iter().filter(|event| !event.is_delivered()) {
        for endpoint in store
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(&event.kind))
        {
            effects.deliveries.push(Delivery {
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
    let tasks = intents
        .map(|intent| Task::SettleIntent(intent.id.clone()))
        .chain(refunds.map(|refund| Task::SettleRefund(refund.id.clone())));
    effects.timers = tasks
        .map(|task| Timer {
            after: store.rules.settle_after,
            task,
        })
        .collect();
    effects
}
