//! The simulator's own books: what was really charged, captured and refunded, whatever anybody was told.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::intent::{Intent, Status};
use crate::store::Store;
use crate::{charge, refund};

/// Sums that are kept for ever, whichever objects are forgotten.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    totals: BTreeMap<String, Totals>,
    /// Successful charges by a fingerprint of the payment: 16 bytes each, so that all can be kept.
    charges: HashMap<u64, u32>,
    charged_more_than_once: u64,
}

/// Sums of one currency, in its smallest unit.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Intents made.
    pub(crate) intents: u64,
    /// Successful charges, authorisations included.
    pub(crate) charges: u64,
    /// Charges that the bank refused.
    pub(crate) failed_charges: u64,
    /// What all intents ask for.
    pub(crate) amount: i64,
    /// What successful charges hold or took.
    pub(crate) authorized: i64,
    /// What was taken.
    pub(crate) captured: i64,
    /// What was given back.
    pub(crate) refunded: i64,
    /// What is on its way back.
    pub(crate) refund_pending: i64,
}

impl Ledger {
    /// The sums of `currency`, to be changed.
    pub(crate) fn totals(&mut self, currency: &str) -> &mut Totals {
        self.totals.entry(currency.to_owned()).or_default()
    }

    /// Counts a successful charge of `payment`.
    pub(crate) fn charged(&mut self, payment: &str, currency: &str, amount: i64) {
        let totals = self.totals(currency);
        totals.charges += 1;
        totals.authorized += amount;
        let mut hasher = DefaultHasher::new();
        payment.hash(&mut hasher);
        let charges = self.charges.entry(hasher.finish()).or_default();
        *charges += 1;
        if *charges == 2 {
            self.charged_more_than_once += 1;
        }
    }
}

/// What `GET /_sim/ledger` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    payments: Vec<Account>,
    totals: BTreeMap<String, Totals>,
    charged_more_than_once: u64,
    has_more: bool,
}

/// One payment: every intent that carries its `metadata.payment_id`.
#[derive(Debug, Serialize)]
struct Account {
    payment_id: Option<String>,
    payment_intent: String,
    status: Status,
    currency: String,
    amount: i64,
    captured: i64,
    refunded: i64,
    refund_pending: i64,
    charges: u64,
    failed_charges: u64,
    intents: Vec<String>,
    refunds: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: String,
    charge: String,
    amount: i64,
    status: refund::Status,
}

/// The books of `store`: all payments, or only `payment`; `limit` of them from the `offset`th on, oldest first.
pub(crate) fn report(store: &Store, payment: Option<&str>, offset: usize, limit: usize) -> Report {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut payments: Vec<Vec<&Intent>> = Vec::new();
    for intent in store.intents.iter() {
        if payment.is_some_and(|wanted| wanted != intent.payment()) {
            continue;
        }
        match places.entry(intent.payment()) {
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
            .filter_map(|intents| Account::of(store, intents))
            .collect(),
        totals: store.ledger.totals.clone(),
        charged_more_than_once: store.ledger.charged_more_than_once,
        has_more: payments.len() > offset.saturating_add(limit),
    }
}

impl Account {
    fn of(store: &Store, intents: &[&Intent]) -> Option<Self> {
        let mut account = Self::open(intents.first()?);
        for intent in intents {
            account.add(store, intent);
        }
        Some(account)
    }

    fn open(intent: &Intent) -> Self {
        Self {
            payment_id: intent.metadata.get("payment_id").cloned(),
            payment_intent: intent.id.clone(),
            status: intent.status,
            currency: intent.currency.clone(),
            amount: intent.amount,
            captured: 0,
            refunded: 0,
            refund_pending: 0,
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
            for refund in charge
                .refunds
                .iter()
                .filter_map(|id| store.refunds.find(id))
            {
                match refund.status {
                    refund::Status::Succeeded => self.refunded += refund.amount,
                    refund::Status::Pending => self.refund_pending += refund.amount,
                    refund::Status::Failed => {}
                }
                self.refunds.push(Line {
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
