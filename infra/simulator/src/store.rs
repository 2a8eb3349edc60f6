//! Everything this Stripe knows, and what a change of it sets off.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::charge::Charge;
use crate::endpoint::Endpoint;
use crate::event::{Cause, Delivery, Event};
use crate::form::Form;
use crate::intent::Intent;
use crate::ledger::Ledger;
use crate::refund;
use crate::refund::Refund;
use crate::table::Table;

/// The objects, and the effects of the operation that runs. Held under one lock for microseconds, never over an await.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Store {
    pub(crate) intents: Table<Intent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    pub(crate) events: Table<Arc<Event>>,
    pub(crate) endpoints: Table<Arc<Endpoint>>,
    pub(crate) ledger: Ledger,
    /// Outcomes asked for over `/_sim`, by payment id or intent id: a test payment method's name.
    pub(crate) forced: HashMap<String, String>,
    finished: VecDeque<String>,
    #[serde(skip)]
    pub(crate) rules: Rules,
    #[serde(skip)]
    effects: Effects,
}

/// What the configuration says about objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// Where browsers find this simulator, without a slash at the end.
    pub(crate) public_url: String,
    /// How long an asynchronous charge or refund takes.
    pub(crate) settle_after: Duration,
    /// How many finished intents are kept.
    pub(crate) keep_intents: usize,
    /// How many events are kept.
    pub(crate) keep_events: usize,
}

/// What must happen after an operation, outside the lock.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Events to be sent.
    pub(crate) deliveries: Vec<Delivery>,
    /// Things to be done later.
    pub(crate) timers: Vec<Timer>,
}

/// A thing to be done later.
#[derive(Debug)]
pub(crate) struct Timer {
    /// How much later.
    pub(crate) after: Duration,
    /// What.
    pub(crate) task: Task,
}

/// What a timer does.
#[derive(Debug)]
pub(crate) enum Task {
    /// The bank answers about the charge of this intent.
    SettleIntent(String),
    /// The bank answers about this refund.
    SettleRefund(String),
}

/// One operation's circumstances.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The id in the path, empty where there is none.
    pub(crate) id: &'a str,
    /// The parameters.
    pub(crate) form: &'a Form,
    /// Seconds since the epoch.
    pub(crate) now: i64,
    /// What its events name as their request.
    pub(crate) cause: Cause,
}

impl Store {
    /// Notes that `object` changed; every endpoint that asked for `kind` will be told.
    pub(crate) fn emit(
        &mut self,
        kind: &str,
        object: &RawValue,
        previous: Option<Value>,
        call: &Call<'_>,
    ) {
        let endpoints: Vec<_> = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(kind))
            .collect();
        let count = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let event = Arc::new(Event::new(
            kind,
            object,
            previous,
            &call.cause,
            call.now,
            count,
        ));
        let deliveries = endpoints.into_iter().map(|endpoint| Delivery {
            event: Arc::clone(&event),
            endpoint: Arc::clone(endpoint),
            is_copy: false,
        });
        self.effects.deliveries.extend(deliveries);
        self.events.insert(event);
        if self.events.len() > self.rules.keep_events {
            self.events.remove_oldest();
        }
    }

    /// Emits an event about an intent as it now is.
    pub(crate) fn emit_intent(&mut self, kind: &str, id: &str, call: &Call<'_>) {
        if let Some(object) = self.intents.find(id).map(|intent| intent.render(None)) {
            self.emit(kind, &object, None, call);
        }
    }

    /// Emits an event about a charge as it now is.
    pub(crate) fn emit_charge(
        &mut self,
        kind: &str,
        id: &str,
        previous: Option<Value>,
        call: &Call<'_>,
    ) {
        if let Some(object) = self.charges.find(id).map(Charge::render) {
            self.emit(kind, &object, previous, call);
        }
    }

    /// Emits an event about a refund as it now is.
    pub(crate) fn emit_refund(
        &mut self,
        kind: &str,
        id: &str,
        previous: Option<Value>,
        call: &Call<'_>,
    ) {
        if let Some(object) = self.refunds.find(id).map(Refund::render) {
            self.emit(kind, &object, previous, call);
        }
    }

    /// Has `task` done after the configured time.
    pub(crate) fn later(&mut self, task: Task) {
        let after = self.rules.settle_after;
        self.effects.timers.push(Timer { after, task });
    }

    /// What the operations since the last call set off.
    pub(crate) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// Counts an intent that reached its last status, and forgets the oldest ones beyond the cap.
    pub(crate) fn finish(&mut self, id: &str) {
        self.finished.push_back(id.to_owned());
        while self.finished.len() > self.rules.keep_intents {
            let Some(id) = self.finished.pop_front() else {
                return;
            };
            if self.has_open_refund(&id) {
                self.finished.push_back(id);
                return;
            }
            self.forget(&id);
        }
    }

    fn has_open_refund(&self, id: &str) -> bool {
        let charges = self
            .intents
            .find(id)
            .map_or(&[][..], |intent| &intent.charges);
        let refunds = charges.iter().filter_map(|id| self.charges.find(id));
        refunds
            .flat_map(|charge| &charge.refunds)
            .filter_map(|id| self.refunds.find(id))
            .any(|refund| refund.status == refund::Status::Pending)
    }

    fn forget(&mut self, id: &str) {
        let Some(intent) = self.intents.remove(id) else {
            return;
        };
        for charge in intent
            .charges
            .iter()
            .filter_map(|id| self.charges.remove(id))
        {
            for refund in &charge.refunds {
                self.refunds.remove(refund);
            }
        }
    }
}
