//! The whole simulator: its state, and the effects that leave it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::event::Cause;
use crate::faults::Faults;
use crate::form::Form;
use crate::http::Client;
use crate::idempotency::Keys;
use crate::lock::Lock;
use crate::store::{Call, Effects, Store, Task, Timer};
use crate::webhooks::Webhooks;
use crate::{Config, clock, intents, refunds};

/// Everything the server shares between its requests.
#[derive(Debug)]
pub(crate) struct Simulator {
    /// How to reach it from a task that outlives a request.
    pub(crate) itself: Weak<Self>,
    pub(crate) config: Config,
    pub(crate) store: Mutex<Store>,
    pub(crate) keys: Mutex<Keys>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) client: Client,
    /// Counts operations, so that the state file is written only when something changed.
    pub(crate) operations: AtomicU64,
}

impl Simulator {
    /// Runs `operation` on the store and performs what it set off.
    pub(crate) fn operate<T>(&self, operation: impl FnOnce(&mut Store) -> T) -> T {
        let (result, effects) = {
            let mut store = self.store.hold();
            let result = operation(&mut store);
            (result, store.take_effects())
        };
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.perform(effects);
        result
    }

    /// Runs an operation that no request of Stripe's API asked for.
    pub(crate) fn operate_unasked<T>(
        &self,
        operation: impl FnOnce(&mut Store, &Call<'_>) -> T,
    ) -> T {
        let form = Form::default();
        let call = Call {
            id: "",
            form: &form,
            now: clock::now(),
            cause: Cause::default(),
        };
        self.operate(|store| operation(store, &call))
    }

    /// Sends events and sets timers.
    pub(crate) fn perform(&self, effects: Effects) {
        self.webhooks.send(effects.deliveries);
        for timer in effects.timers {
            self.set(timer);
        }
    }

    fn set(&self, timer: Timer) {
        let itself = Weak::clone(&self.itself);
        tokio::spawn(async move {
            tokio::time::sleep(timer.after).await;
            let Some(simulator) = itself.upgrade() else {
                return;
            };
            let settled = simulator.operate_unasked(|store, call| match &timer.task {
                Task::SettleIntent(id) => intents::settle(store, id, None, call),
                Task::SettleRefund(id) => refunds::settle(store, id, None, call),
            });
            if settled.is_err() {
                tracing::debug!(task = ?timer.task, "nothing was left to settle");
            }
        });
    }
}
