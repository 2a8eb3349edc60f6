//! Whose object it is: the one rule for everything that Stripe shows.
//!
//! Stripe's ids decide, because they never change. Metadata can be edited by anybody with access to the Stripe account and
//! is copied by other tools, so our mark in it only introduces an intent to the payment that has none yet.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{HoldReport, Stream};
use crate::stripe::{Charge, Dispute, Intent, PAYMENT_ID, Refund, id_of};

/// What an object of Stripe says about the payment that it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// `pi_…`: the intent itself, or the intent that the object belongs to.
    pub intent_id: Option<&'a str>,
    /// `ch_…`: the charge itself, or the charge that the object belongs to.
    pub charge_id: Option<&'a str>,
    /// Our mark, [`PAYMENT_ID`] in its metadata, where that is an id; other text is no mark of ours.
    pub mark: Option<Uuid>,
}

impl Identity<'_> {
    /// Whether the object is the payment's: its intent is the payment's intent, or the payment has no intent yet and the
    /// mark names the payment. An object that names no intent is the payment's if it names an attempt's charge.
    #[must_use]
    pub fn is_of(&self, stream: &Stream) -> bool {
        let payment = &stream.payment;
        match (payment.intent_id.as_deref(), self.intent_id) {
            (Some(known), Some(shown)) => known == shown,
            (None, Some(_)) => self.mark == Some(payment.id),
            (_, None) => {
                self.charge_id.is_some()
                    && stream
                        .attempts
                        .iter()
                        .any(|attempt| attempt.charge_id.as_deref() == self.charge_id)
            }
        }
    }
}

impl<'a> From<&'a Intent> for Identity<'a> {
    fn from(intent: &'a Intent) -> Self {
        Self {
            intent_id: Some(&intent.id),
            charge_id: intent.charge_id(),
            mark: mark(&intent.metadata),
        }
    }
}

impl<'a> From<&'a Charge> for Identity<'a> {
    fn from(charge: &'a Charge) -> Self {
        Self {
            intent_id: charge.payment_intent.as_deref(),
            charge_id: Some(&charge.id),
            mark: mark(&charge.metadata),
        }
    }
}

impl<'a> From<&'a Refund> for Identity<'a> {
    fn from(refund: &'a Refund) -> Self {
        Self {
            intent_id: refund.payment_intent.as_deref(),
            charge_id: refund.charge.as_deref(),
            mark: mark(&refund.metadata),
        }
    }
}

impl<'a> From<&'a Dispute> for Identity<'a> {
    fn from(dispute: &'a Dispute) -> Self {
        Self {
            intent_id: dispute.payment_intent.as_deref(),
            charge_id: dispute.charge.as_deref(),
            // Stripe copies no metadata to a dispute.
            mark: None,
        }
    }
}

impl<'a> From<&'a HoldReport> for Identity<'a> {
    fn from(report: &'a HoldReport) -> Self {
        Self {
            intent_id: report.intent_id.as_deref(),
            charge_id: report.charge_id.as_deref(),
            mark: None,
        }
    }
}

fn mark(metadata: &BTreeMap<String, String>) -> Option<Uuid> {
    id_of(metadata.get(PAYMENT_ID)?)
}
