//! The state of the simulator, and the operations on it that several routes share.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::effects::{Delivery, Effects};
use crate::faults::Faults;
use crate::form::Form;
use crate::ledger::Ledger;
use crate::objects::charge::Charge;
use crate::objects::dispute::Dispute;
use crate::objects::endpoint::Endpoint;
use crate::objects::event::{Cause, Event, Snapshot};
use crate::objects::failure::{Failure, Replacement};
use crate::objects::fraud_warning::FraudWarning;
use crate::objects::intent::Intent;
use crate::objects::payment_method::{Decline, PaymentMethod};
use crate::objects::refund::Refund;
use crate::objects::review::Review;
use crate::objects::{intent, payment_method, refund};
use crate::table::Table;
use crate::timers::{Task, Timers, Wake};
use crate::{clock, json};

/// The objects, and the effects of the running operation. Its lock is held for microseconds, never over an await.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Store {
    pub(crate) intents: Table<Intent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    #[serde(default)]
    pub(crate) disputes: Table<Dispute>,
    #[serde(default)]
    pub(crate) fraud_warnings: Table<FraudWarning>,
    #[serde(default)]
    pub(crate) reviews: Table<Review>,
    pub(crate) events: Table<Arc<Event>>,
    pub(crate) endpoints: Table<Arc<Endpoint>>,
    pub(crate) ledger: Ledger,
    /// Outcomes requested over `/_sim/outcomes`: a test payment method's name by payment id or intent id.
    pub(crate) forced: HashMap<String, String>,
    /// Parts of failures that were replaced over `/_sim/outcomes`, by payment id or intent id.
    #[serde(default)]
    pub(crate) replaced: HashMap<String, Replacement>,
    finished: VecDeque<String>,
    /// How far its clock is ahead of the machine's, in milliseconds.
    #[serde(default)]
    ahead: i64,
    #[serde(skip)]
    pub(crate) timers: Timers,
    #[serde(skip)]
    pub(crate) rules: Rules,
    #[serde(skip)]
    pub(crate) faults: Arc<Faults>,
    #[serde(skip)]
    effects: Effects,
}

/// The part of the configuration that concerns objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// The address of this simulator for browsers, without a slash at the end.
    pub(crate) public_url: String,
    /// How long an asynchronous charge or refund takes.
    pub(crate) settle_after: Duration,
    /// How many finished intents are kept.
    pub(crate) keep_intents: usize,
    /// How many events are kept.
    pub(crate) keep_events: usize,
}

/// One call of an operation.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The id in the path, empty where there is none.
    pub(crate) id: &'a str,
    /// The parameters.
    pub(crate) form: &'a Form,
    /// Seconds since the epoch.
    pub(crate) now: i64,
    /// The request that its events name.
    pub(crate) cause: Cause,
}

impl Store {
    /// Records an event about `object`; it will be sent to every endpoint that is registered for `kind`.
    pub(crate) fn emit(
        &mut self,
        kind: &str,
        object: &RawValue,
        previous: Option<Value>,
        call: &Call<'_>,
    ) {
        let previous = previous.map(|previous| json::render(&previous));
        let event = Snapshot {
            kind,
            object,
            previous: previous.as_deref(),
            cause: &call.cause,
            created: call.now,
            livemode: false,
        };
        let event = event.into_event(self.count_endpoints(kind));
        self.publish(event, true);
    }

    /// How many endpoints are registered for events of the type `kind`.
    pub(crate) fn count_endpoints(&self, kind: &str) -> u32 {
        let endpoints = self.endpoints.iter();
        let count = endpoints.filter(|endpoint| endpoint.wants(kind)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Sends `event` to every endpoint that is registered for its type; only a listed one is in `/v1/events`.
    pub(crate) fn publish(&mut self, event: Event, listed: bool) {
        let event = Arc::new(event);
        let endpoints = self.endpoints.iter();
        let deliveries = endpoints
            .filter(|endpoint| endpoint.wants(&event.kind))
            .map(|endpoint| Delivery {
                event: Arc::clone(&event),
                endpoint: Arc::clone(endpoint),
                is_copy: false,
            });
        self.effects.deliveries.extend(deliveries);
        if !listed {
            return;
        }
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

    /// Emits an event about a dispute as it now is.
    pub(crate) fn emit_dispute(
        &mut self,
        kind: &str,
        id: &str,
        previous: Option<Value>,
        call: &Call<'_>,
    ) {
        if let Some(object) = self.disputes.find(id).map(Dispute::render) {
            self.emit(kind, &object, previous, call);
        }
    }

    /// Schedules `task` after the time that banks take.
    pub(crate) fn schedule(&mut self, task: Task) {
        self.schedule_after(self.rules.settle_after, task);
    }

    /// Schedules `task` after a time.
    pub(crate) fn schedule_after(&mut self, after: Duration, task: Task) {
        let wait = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        let place = self
            .timers
            .add(self.now_millis().saturating_add(wait), task);
        self.effects.wakes.push(Wake { after, place });
    }

    /// Seconds since the epoch by the simulator's clock.
    pub(crate) fn now(&self) -> i64 {
        self.now_millis() / 1000
    }

    /// Milliseconds since the epoch by the simulator's clock.
    pub(crate) fn now_millis(&self) -> i64 {
        clock::now_millis() + self.ahead
    }

    /// How far the simulator's clock is ahead of the machine's, in milliseconds.
    pub(crate) fn ahead(&self) -> i64 {
        self.ahead
    }

    /// Sets the clock to `moment`, in milliseconds since the epoch, unless it is later already. Timers do not notice.
    pub(crate) fn reach(&mut self, moment: i64) {
        self.ahead = self.ahead.max(moment - clock::now_millis());
    }

    /// Sets how far the clock is ahead, in milliseconds. The timers that wait end so much earlier.
    pub(crate) fn set_ahead(&mut self, ahead: i64) {
        self.ahead = ahead;
        let now = self.now_millis();
        let wakes = self.timers.places().map(|place| Wake {
            after: Duration::from_millis(u64::try_from(place.due - now).unwrap_or(0)),
            place,
        });
        self.effects.wakes = wakes.collect();
    }

    /// Takes the effects of the operations since the last call.
    pub(crate) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// Sets the status of an intent; one that reaches a final status may cause the removal of older ones.
    pub(crate) fn enter(&mut self, id: &str, status: intent::Status) {
        let Some(intent) = self.intents.find_mut(id) else {
            return;
        };
        intent.status = status;
        if status.is_final() {
            self.finish(id);
        }
    }

    /// The payment method that decides the outcome of an intent's confirmation: the confirmed one, unless another was
    /// requested over `/_sim/outcomes`.
    pub(crate) fn behaviour(&self, id: &str) -> Option<PaymentMethod> {
        let intent = self.intents.find(id)?;
        let name = self
            .forced_method(intent)
            .or(intent.payment_method.as_deref())?;
        payment_method::find(name)
    }

    /// The payment method that was requested over `/_sim/outcomes` for an intent or its payment.
    pub(crate) fn forced_method(&self, intent: &Intent) -> Option<&str> {
        let forced = self.forced.get(&intent.id);
        let forced = forced.or_else(|| self.forced.get(intent.payment_id()));
        forced.map(String::as_str)
    }

    /// The failure of an intent by `decline`, with the parts that were replaced over `/_sim/outcomes`.
    pub(crate) fn failure(&self, intent: &Intent, decline: &Decline) -> Failure {
        let replaced = self.replaced.get(&intent.id);
        let replaced = replaced.or_else(|| self.replaced.get(intent.payment_id()));
        Failure::from(decline).with(replaced.cloned().unwrap_or_default())
    }

    /// Adds an endpoint whose secret the caller chose, in place of one with the same URL, and renders it.
    pub(crate) fn register(&mut self, endpoint: Endpoint) -> Box<RawValue> {
        let older = self
            .endpoints
            .iter()
            .find(|known| known.url == endpoint.url);
        if let Some(id) = older.map(|known| known.id.clone()) {
            self.endpoints.remove(&id);
        }
        let shown = endpoint.render(true);
        self.endpoints.insert(Arc::new(endpoint));
        shown
    }

    /// Counts an intent that reached a final status, and removes the oldest ones beyond the cap.
    fn finish(&mut self, id: &str) {
        self.finished.push_back(id.to_owned());
        while self.finished.len() > self.rules.keep_intents {
            let Some(id) = self.finished.pop_front() else {
                return;
            };
            if self.has_open_refund(&id) {
                self.finished.push_back(id);
                return;
            }
            self.remove(&id);
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

    fn remove(&mut self, id: &str) {
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
            if let Some(dispute) = &charge.dispute {
                self.disputes.remove(dispute);
            }
            if let Some(warning) = &charge.warning {
                self.fraud_warnings.remove(warning);
            }
            if let Some(review) = &charge.review {
                self.reviews.remove(review);
            }
        }
    }
}
