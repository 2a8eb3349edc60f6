//! `GET /_sim/ledger`: the sums of the ledger, and every payment that the store still holds.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use hyper::StatusCode;
use serde::Serialize;

use crate::form::Form;
use crate::http;
use crate::http::{Request, Response};
use crate::ledger::Totals;
use crate::objects::intent::{Intent, Status};
use crate::objects::{charge, refund};
use crate::refusal::Refusal;
use crate::simulator::Simulator;
use crate::store::Store;

/// Answers all payments, one of them (`payment_id`), or a page of them (`limit`, `offset`).
pub(crate) fn show(simulator: &Simulator, request: &Request) -> Response {
    let asked = || -> Result<(Option<String>, usize, usize), Refusal> {
        let form = Form::parse(request.query.as_bytes())?;
        form.only(&["payment_id", "offset", "limit"])?;
        let number = |name| {
            let number = form.integer(name)?;
            Ok::<_, Refusal>(number.and_then(|number| usize::try_from(number).ok()))
        };
        Ok((
            form.owned("payment_id"),
            number("offset")?.unwrap_or(0),
            number("limit")?.unwrap_or(usize::MAX),
        ))
    };
    match asked() {
        Ok((payment, offset, limit)) => {
            let report = report(&simulator.store.lock(), payment.as_deref(), offset, limit);
            http::json(StatusCode::OK, &report)
        }
        Err(refusal) => http::refused(&refusal),
    }
}

/// What `GET /_sim/ledger` answers.
#[derive(Debug, Serialize)]
struct Report {
    payments: Vec<LedgerEntry>,
    totals: BTreeMap<String, Totals>,
    charged_more_than_once: u64,
    has_more: bool,
}

/// One payment: all intents that carry its `metadata.payment_id`.
#[derive(Debug, Serialize)]
struct LedgerEntry {
    payment_id: Option<String>,
    payment_intent: String,
    status: Status,
    currency: String,
    amount: i64,
    captured: i64,
    refunded: i64,
    refund_pending: i64,
    released: i64,
    charges: u64,
    failed_charges: u64,
    intents: Vec<String>,
    refunds: Vec<Refund>,
}

#[derive(Debug, Serialize)]
struct Refund {
    id: String,
    charge: String,
    amount: i64,
    status: refund::Status,
}

/// Reports all payments of `store`, or only `payment`; `limit` of them from the `offset`th on, oldest first.
fn report(store: &Store, payment: Option<&str>, offset: usize, limit: usize) -> Report {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut payments: Vec<Vec<&Intent>> = Vec::new();
    for intent in store.intents.iter() {
        if payment.is_some_and(|wanted| wanted != intent.payment_id()) {
            continue;
        }
        match places.entry(intent.payment_id()) {
            Entry::Occupied(known) => payments[*known.get()].push(intent),
            Entry::Vacant(new) => {
                new.insert(payments.len());
                payments.push(vec![intent]);
            }
        }
    }
    let shown = payments.iter().skip(offset).take(limit);
    Report {
        payments: shown
            .filter_map(|intents| LedgerEntry::read(store, intents))
            .collect(),
        totals: store.ledger.totals.clone(),
        charged_more_than_once: store.ledger.charged_more_than_once,
        has_more: payments.len() > offset.saturating_add(limit),
    }
}

impl LedgerEntry {
    fn read(store: &Store, intents: &[&Intent]) -> Option<Self> {
        let mut shown = Self::new(intents.first()?);
        for intent in intents {
            shown.add(store, intent);
        }
        Some(shown)
    }

    fn new(intent: &Intent) -> Self {
        Self {
            payment_id: intent.first_payment_id.clone(),
            payment_intent: intent.id.clone(),
            status: intent.status,
            currency: intent.currency.clone(),
            amount: intent.amount,
            captured: 0,
            refunded: 0,
            refund_pending: 0,
            released: 0,
            charges: 0,
            failed_charges: 0,
            intents: Vec::new(),
            refunds: Vec::new(),
        }
    }

    /// Adds one intent; the payment's status is that of an intent that was charged, if there is one.
    fn add(&mut self, store: &Store, intent: &Intent) {
        let charged_before = self.charges > 0;
        self.intents.push(intent.id.clone());
        for charge in intent
            .charges
            .iter()
            .filter_map(|id| store.charges.find(id))
        {
            match charge.status {
                charge::Status::Succeeded => self.charges += 1,
                charge::Status::Failed => self.failed_charges += 1,
                charge::Status::Pending => {}
            }
            self.captured += charge.amount_captured;
            self.released += charge.amount_released;
            for refund in charge
                .refunds
                .iter()
                .filter_map(|id| store.refunds.find(id))
                .filter(|refund| !refund.is_release())
            {
                match refund.status {
                    refund::Status::Succeeded => self.refunded += refund.amount,
                    refund::Status::Pending => self.refund_pending += refund.amount,
                    refund::Status::Failed | refund::Status::Canceled => {}
                }
                self.refunds.push(Refund {
                    id: refund.id.clone(),
                    charge: charge.id.clone(),
                    amount: refund.amount,
                    status: refund.status,
                });
            }
        }
        if !charged_before {
            self.payment_intent.clone_from(&intent.id);
            self.status = intent.status;
            self.amount = intent.amount;
        }
    }
}
