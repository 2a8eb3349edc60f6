//! What a report about an intent or a charge makes of the newest attempt.

use uuid::Uuid;

use super::Refusal;
use super::draft::Draft;
use crate::attempt::{Attempt, Kind, Status};
use crate::stripe::StripeError;

/// Where a report says that the attempt stands, and what it tells about it.
pub(super) struct Outcome<'a> {
    /// Where it stands.
    pub(super) status: Status,
    /// Its charge, where the report is certain of it.
    pub(super) charge: Option<&'a str>,
    /// Why it failed.
    pub(super) error: Option<&'a StripeError>,
    /// The id of an attempt made here, if one must be.
    pub(super) fresh: Uuid,
}

/// Brings the newest attempt to where the report says, or adds the attempt that nobody told us of.
///
/// The caller has decided that the report is news. `correct` asks for the edge that any status allows, where the
/// ordinary course has none.
pub(super) fn carry(draft: &mut Draft, outcome: &Outcome<'_>) -> Result<(), Refusal> {
    let Some(newest) = draft.stream.newest_attempt() else {
        return observe(draft, outcome);
    };
    let another = matches!((&newest.charge_id, outcome.charge), (Some(a), Some(b)) if a != b);
    if newest.status.is_open() {
        if another {
            // The newest charge is not this attempt's: it came to nothing, and another one was made after it.
            move_to(draft, Status::Failed, Kind::Failed)?;
            return observe(draft, outcome);
        }
        note(draft, outcome);
        return move_to(draft, outcome.status, Kind::towards(outcome.status));
    }
    if newest.status == outcome.status && !another {
        note(draft, outcome);
        return Ok(());
    }
    if newest.charge_id.is_some() && !another && outcome.charge.is_some() {
        note(draft, outcome);
        return move_to(draft, outcome.status, Kind::Resync);
    }
    observe(draft, outcome)
}

/// Ends the newest attempt, if it is open, because its payment was canceled.
pub(super) fn end_by_cancel(draft: &mut Draft, reason: Option<&str>) -> Result<(), Refusal> {
    let Some(Attempt { status, .. }) = draft.stream.newest_attempt() else {
        return Ok(());
    };
    let status = *status;
    let ran_out = status == Status::Authorized && matches!(reason, Some("automatic" | "expired"));
    match status {
        _ if !status.is_open() => Ok(()),
        // Stripe's two words for an authorization that ran out (P15 arrives with `charge.expired` or without it).
        _ if ran_out => move_to(draft, Status::Expired, Kind::Expired),
        _ => move_to(draft, Status::Voided, Kind::Voided),
    }
}

/// Moves the newest attempt by `kind`, or by the correcting edge where the ordinary course has none.
pub(super) fn move_to(draft: &mut Draft, to: Status, kind: Kind) -> Result<(), Refusal> {
    let from = draft.stream.newest_attempt().map(|newest| newest.status);
    let ordinary = crate::attempt::edge(from, kind, to).is_some();
    draft.attempt(if ordinary { kind } else { Kind::Resync }, to)
}

fn observe(draft: &mut Draft, outcome: &Outcome<'_>) -> Result<(), Refusal> {
    draft.add_attempt(outcome.fresh, Kind::Observed, outcome.status)?;
    note(draft, outcome);
    Ok(())
}

fn note(draft: &mut Draft, outcome: &Outcome<'_>) {
    let Some(newest) = draft.stream.attempts.last_mut() else {
        return;
    };
    if let Some(charge) = outcome.charge {
        newest.charge_id = Some(charge.to_owned());
    }
    if let Some(error) = outcome.error {
        newest.error = Some(error.clone());
    }
}
