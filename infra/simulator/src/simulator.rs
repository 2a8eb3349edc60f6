//! The whole simulator: its state, and the execution of effects.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::bank::passage;
use crate::config::Config;
use crate::effects::Effects;
use crate::faults::Faults;
use crate::form::Form;
use crate::http::Client;
use crate::objects::event::Cause;
use crate::routes::idempotency::Keys;
use crate::store::{Call, Store};
use crate::timers::Wake;
use crate::webhooks::Webhooks;

/// Everything that requests share.
#[derive(Debug)]
pub(crate) struct Simulator {
    /// A reference for tasks that outlive a request.
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
    /// Runs `operation` on the store and executes its effects.
    pub(crate) fn operate<T>(&self, operation: impl FnOnce(&mut Store) -> T) -> T {
        let (result, effects) = {
            let mut store = self.store.lock();
            let result = operation(&mut store);
            (result, store.take_effects())
        };
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.execute(effects);
        result
    }

    /// Runs an operation that no request of Stripe's API caused.
    pub(crate) fn operate_internally<T>(
        &self,
        operation: impl FnOnce(&mut Store, &Call<'_>) -> T,
    ) -> T {
        self.operate_as_dashboard("", &Form::default(), operation)
    }

    /// Runs an operation on the object `id` as if somebody used Stripe's dashboard: its events name no request.
    pub(crate) fn operate_as_dashboard<T>(
        &self,
        id: &str,
        form: &Form,
        operation: impl FnOnce(&mut Store, &Call<'_>) -> T,
    ) -> T {
        self.operate(|store| {
            let call = Call {
                id,
                form,
                now: store.now(),
                cause: Cause::default(),
            };
            operation(store, &call)
        })
    }

    /// Sends events and starts timers.
    pub(crate) fn execute(&self, effects: Effects) {
        self.webhooks.send(effects.deliveries);
        for wake in effects.wakes {
            self.start(wake);
        }
    }

    /// Does the task of a timer when its time has come, unless it was done before because the clock was set ahead.
    fn start(&self, wake: Wake) {
        let itself = Weak::clone(&self.itself);
        tokio::spawn(async move {
            tokio::time::sleep(wake.after).await;
            let Some(simulator) = itself.upgrade() else {
                return;
            };
            simulator.operate_internally(|store, call| {
                let Some(task) = store.timers.take(wake.place) else {
                    return;
                };
                if passage::perform(store, &task, call).is_err() {
                    tracing::debug!(
                        ?task,
                        "a timer had nothing to do: its object has changed since it was started"
                    );
                }
            });
        });
    }
}
