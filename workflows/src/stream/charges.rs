//! Reports about a charge: they move its attempt. The payment and its sums follow the intent.

use super::attempts::AttemptReport;
use super::draft::Draft;
use super::intents::check_currency;
use super::{ChargeReport, Identity, Refusal, attempts};
use crate::attempt::{Attempt, Status, find_kind};
use crate::payment;
use crate::stripe::Charge;

impl ChargeReport {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let (charge, goal) = (&self.charge, self.status);
        check_ours(draft, charge)?;
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
        let ended = payment.status.is_final();
        let (of_newest, from) = match draft.stream.newest_attempt() {
            None => (false, None),
            Some(newest) => (is_charge_of(newest, charge, goal), Some(newest.status)),
        };
        if of_newest {
            // Earlier reports may have shown the same without the charge's id.
            attempts::learn_charge(draft, &charge.id, goal);
        }
        if ended {
            // A charge cannot change a payment that has ended, but money after a cancel needs a resync.
            let canceled = draft.stream.payment.status == payment::Status::Canceled;
            if canceled && goal == Status::Captured {
                return draft.resync();
            }
            return Ok(());
        }
        if from.is_some() && !of_newest {
            return draft.resync();
        }
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
    attempts::is_only_charge(newest, goal)
}

fn check_ours(draft: &Draft, charge: &Charge) -> Result<(), Refusal> {
    if !Identity::from(charge).is_of(&draft.stream) {
        return Err(Refusal::NotOurs);
    }
    if charge.currency.is_empty() {
        return Ok(());
    }
    check_currency(&draft.stream.payment, &charge.currency)
}
