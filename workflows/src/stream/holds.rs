//! Reports about reviews and early warnings of fraud: each sets or clears a hold of the payment.

use super::draft::Draft;
use super::{HoldReport, Identity, Refusal};
use crate::hold::Hold;
use crate::payment::Kind;

impl HoldReport {
    /// Takes a report of an object. An object that no longer holds never holds again, so their order does not matter.
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        if !Identity::from(self).is_of(&draft.stream) {
            return Err(Refusal::NotOurs);
        }
        let payment = &mut draft.stream.payment;
        let status = payment.status;
        let mut holds = payment.holds.iter_mut();
        let known = holds.find(|known| known.id == self.hold.id);
        let kind = match known {
            Some(known) if known.open && !self.hold.open => {
                known.open = false;
                Kind::HoldCleared
            }
            Some(_) => return Ok(()),
            None => {
                payment.holds.push(Hold::clone(&self.hold));
                if !self.hold.open {
                    // The report that set it comes later, or never.
                    return Ok(());
                }
                Kind::HoldSet
            }
        };
        draft.payment(kind, status)
    }
}
