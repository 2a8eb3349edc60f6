//! Reports about a charge: they move its attempt. The payment and its sums follow the intent.

use super::attempts::AttemptReport;
use super::draft::Draft;
use super::intents::check_currency;
use super::{ChargeReport, Refusal, attempts};
use crate::attempt::{Attempt, Status, find_kind};
use crate::payment;
use crate::stripe::{Charge, PAYMENT_ID, id_of};

impl ChargeReport {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let (charge, goal) = (&self.charge, self.status);
        check_ours(&draft.stream.payment, charge)?;
        let payment = &mut draft.stream.payment;
        if payment.intent_id.is_none() {
            payment.intent_id.clone_from(&charge.payment_intent);
        }
        // Before its intent is known, a payment has no attempt to compare the charge with.
        let local = matches!(
            payment.status,
            payment::Status::LocalCreated | payment::Status::LocalRejected
        );
        if local {
            return draft.resync();
        }
        if payment.status.is_final() {
            // A charge cannot change a payment that has ended, but money after a cancel needs a resync.
            if payment.status == payment::Status::Canceled && goal == Status::Captured {
                return draft.resync();
            }
            return Ok(());
        }
        let from = match draft.stream.newest_attempt() {
            None => None,
            Some(newest) if is_charge_of(newest, charge, goal) => Some(newest.status),
            Some(_) => return draft.resync(),
        };
        // A capture that takes its time shows in the intent: a pending charge was never authorized before.
        let backwards = (from, goal) == (Some(Status::Authorized), Status::Pending);
        if find_kind(from, goal).is_some() && !backwards {
            return self.move_attempt(draft);
        }
        // One charge only goes forward: a report that leads nowhere is old, unless it says that an open attempt has ended.
        if from.is_none_or(Status::is_open) && !goal.is_open() {
            return draft.resync();
        }
        Ok(())
    }

    fn move_attempt(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let error = self.charge.error();
        let report = AttemptReport {
            status: self.status,
            charge: Some(&self.charge.id),
            error: error.as_ref().filter(|_| self.status == Status::Failed),
            fresh: self.fresh_attempt,
        };
        attempts::apply(draft, &report)
    }
}

/// Whether the charge is certainly the newest attempt's.
fn is_charge_of(newest: &Attempt, charge: &Charge, goal: Status) -> bool {
    if let Some(known) = &newest.charge_id {
        return *known == charge.id;
    }
    // An intent has one charge that succeeds at most, and the first attempt has none before it.
    let succeeded = matches!(goal, Status::Authorized | Status::Captured);
    newest.status.is_open() && (newest.number == 1 || succeeded)
}

fn check_ours(payment: &payment::Payment, charge: &Charge) -> Result<(), Refusal> {
    let marked = charge.metadata.get(PAYMENT_ID);
    let named = marked.map(|text| id_of(text) == Some(payment.id));
    let known = match (&payment.intent_id, &charge.payment_intent) {
        (Some(ours), Some(shown)) => Some(ours == shown),
        _ => None,
    };
    match (known, named) {
        (Some(false), _) | (_, Some(false)) | (None, None) => Err(Refusal::NotOurs),
        _ if charge.currency.is_empty() => Ok(()),
        _ => check_currency(payment, &charge.currency),
    }
}
