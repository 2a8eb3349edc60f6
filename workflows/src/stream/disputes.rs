//! Commands and reports about disputes. Stripe makes every dispute; the first report of one imports it.
//!
//! No report of Stripe leads a dispute back, so a report of a status further on is news, one of an end is final, and any
//! other one requests a resync. Money and evidence only go forward, so their reports need no order at all.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::draft::Draft;
use super::{DisputeReport, Effect, EvidenceRequest, Identity, Refusal};
use crate::dispute::{Dispute, Evidence, EvidenceKind, Funds, FundsKind, Kind, Status, find_kind};
use crate::effect::Call;
use crate::stripe;
use crate::stripe::StripeError;

impl EvidenceRequest {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let index = answerable(draft, self.dispute)?;
        draft.dispute_itself(index, Kind::EvidenceRequested)?;
        open_call(draft, index, self.effect())
    }

    fn effect(&self) -> Effect {
        Effect::UpdateDispute {
            dispute: self.dispute,
            evidence: BTreeMap::clone(&self.evidence),
            submit: self.submit,
        }
    }
}

pub(super) fn accept(draft: &mut Draft, dispute: Uuid) -> Result<(), Refusal> {
    let index = answerable(draft, dispute)?;
    draft.dispute_itself(index, Kind::AcceptRequested)?;
    open_call(draft, index, Effect::CloseDispute { dispute })
}

/// The dispute, if it waits for its merchant and no call about it is open.
fn answerable(draft: &Draft, id: Uuid) -> Result<usize, Refusal> {
    let index = position(draft, id)?;
    let dispute = get(draft, index)?;
    if !dispute.status.needs_response() {
        return Err(Refusal::WrongDisputeStatus {
            status: dispute.status,
        });
    }
    match dispute.open_call {
        Some(call) => Err(Refusal::CallOpen { call }),
        None => Ok(index),
    }
}

fn open_call(draft: &mut Draft, index: usize, effect: Effect) -> Result<(), Refusal> {
    let dispute = get_mut(draft, index)?;
    dispute.open_call = effect.call();
    dispute.error = None;
    draft.effect(effect);
    Ok(())
}

/// Reminds of every dispute whose evidence is due within 48 hours of `now` and that its merchant was not reminded of.
pub(super) fn remind(draft: &mut Draft, now: i64) -> Result<(), Refusal> {
    for index in 0..draft.stream.disputes.len() {
        let dispute = get_mut(draft, index)?;
        if dispute.remind_at().is_some_and(|at| at <= now) {
            dispute.reminded_due_by = dispute.due_by;
            draft.dispute_itself(index, Kind::EvidenceDue)?;
        }
    }
    Ok(())
}

impl DisputeReport {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let shown = &self.dispute;
        let answered = self.answers.map(|(dispute, _)| dispute);
        if answered.is_none() && !Identity::from(shown).is_of(&draft.stream) {
            return Err(Refusal::NotOurs);
        }
        let found = match answered {
            Some(id) => Some(position(draft, id)?),
            None => find(draft, shown),
        };
        if let (Some(index), Some((_, call))) = (found, self.answers) {
            close(draft, index, call, None)?;
        }
        let Some(status) = Status::of_dispute(shown.status) else {
            // This version does not know the status; a read may show it in our version of the API.
            return match self.answers {
                Some(_) => Ok(()),
                None => draft.resync(),
            };
        };
        let index = match found {
            Some(index) => {
                advance(draft, index, shown, status)?;
                index
            }
            None => import(draft, shown, status, self.fresh_dispute)?,
        };
        let evidence = Evidence::of_dispute(shown);
        if evidence > get(draft, index)?.evidence {
            draft.dispute_evidence(index, reported_evidence(evidence), evidence)?;
        }
        if self.funds > get(draft, index)?.funds {
            draft.dispute_funds(index, reported_funds(self.funds), self.funds)?;
        }
        Ok(())
    }
}

/// Moves a known dispute to the status that a report shows, where the report is certain to be news.
fn advance(
    draft: &mut Draft,
    index: usize,
    shown: &stripe::Dispute,
    status: Status,
) -> Result<(), Refusal> {
    let dispute = get_mut(draft, index)?;
    let known = dispute.status;
    if status == known {
        dispute.absorb(shown);
        return Ok(());
    }
    if let Some(kind) = find_kind(Some(known), status) {
        dispute.absorb(shown);
        draft.dispute(index, kind, status)?;
        if kind == Kind::Escalated {
            // It is not documented which events come with it.
            return draft.resync();
        }
        return Ok(());
    }
    // A dispute that has ended never opens again, so a report of an open one is older.
    if known.is_final() && !status.is_final() {
        return Ok(());
    }
    draft.resync()
}

/// Corrects a dispute by a read of Stripe's object, or imports it if it was not known.
pub(super) fn resynced(
    draft: &mut Draft,
    shown: &stripe::Dispute,
    fresh: Uuid,
) -> Result<(), Refusal> {
    let Some(status) = Status::of_dispute(shown.status) else {
        return Ok(());
    };
    let index = match find(draft, shown) {
        Some(index) => {
            let dispute = get_mut(draft, index)?;
            let known = dispute.status;
            dispute.absorb(shown);
            if status != known {
                let kind = find_kind(Some(known), status).unwrap_or(Kind::Resync);
                draft.dispute(index, kind, status)?;
            }
            index
        }
        None => import(draft, shown, status, fresh)?,
    };
    let (evidence, funds) = (Evidence::of_dispute(shown), Funds::of_dispute(shown));
    if evidence > get(draft, index)?.evidence {
        draft.dispute_evidence(index, EvidenceKind::Resync, evidence)?;
    }
    if funds > get(draft, index)?.funds {
        draft.dispute_funds(index, FundsKind::Resync, funds)?;
    }
    Ok(())
}

/// Stripe refused a call about a dispute for good. A report about a call that is no longer open changes nothing.
pub(super) fn call_refused(
    draft: &mut Draft,
    dispute: Uuid,
    call: Call,
    error: &StripeError,
) -> Result<(), Refusal> {
    let index = position(draft, dispute)?;
    if get(draft, index)?.open_call != Some(call) {
        return Ok(());
    }
    close(draft, index, call, Some(error))?;
    draft.dispute_itself(index, Kind::CallRefused)
}

/// A call about a dispute proved to have had no effect: it is made anew, if it is still wanted.
pub(super) fn proved_void(
    draft: &mut Draft,
    dispute: Uuid,
    effect: &Effect,
) -> Result<(), Refusal> {
    let index = position(draft, dispute)?;
    if get(draft, index)?.open_call == effect.call() {
        draft.effect(effect.clone());
    }
    Ok(())
}

fn close(
    draft: &mut Draft,
    index: usize,
    call: Call,
    error: Option<&StripeError>,
) -> Result<(), Refusal> {
    let dispute = get_mut(draft, index)?;
    if dispute.open_call == Some(call) {
        dispute.open_call = None;
        dispute.error = error.cloned();
    }
    Ok(())
}

fn import(
    draft: &mut Draft,
    shown: &stripe::Dispute,
    status: Status,
    fresh: Uuid,
) -> Result<usize, Refusal> {
    draft.add_dispute(Dispute::new(fresh, status, shown))?;
    Ok(draft.stream.disputes.len().saturating_sub(1))
}

const fn reported_funds(reached: Option<Funds>) -> FundsKind {
    match reached {
        Some(Funds::Reinstated) => FundsKind::Reinstated,
        Some(Funds::Withdrawn) | None => FundsKind::Withdrawn,
    }
}

const fn reported_evidence(reached: Option<Evidence>) -> EvidenceKind {
    match reached {
        Some(Evidence::Submitted) => EvidenceKind::Submitted,
        Some(Evidence::Staged) | None => EvidenceKind::Staged,
    }
}

fn find(draft: &Draft, shown: &stripe::Dispute) -> Option<usize> {
    let mut disputes = draft.stream.disputes.iter();
    disputes.position(|known| known.stripe_id == shown.id)
}

fn position(draft: &Draft, id: Uuid) -> Result<usize, Refusal> {
    let mut disputes = draft.stream.disputes.iter();
    let found = disputes.position(|known| known.id == id);
    found.ok_or(Refusal::UnknownDispute)
}

fn get(draft: &Draft, index: usize) -> Result<&Dispute, Refusal> {
    let dispute = draft.stream.disputes.get(index);
    dispute.ok_or(Refusal::UnknownDispute)
}

fn get_mut(draft: &mut Draft, index: usize) -> Result<&mut Dispute, Refusal> {
    let dispute = draft.stream.disputes.get_mut(index);
    dispute.ok_or(Refusal::UnknownDispute)
}
