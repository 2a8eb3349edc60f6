//! How a report about an intent or a charge moves the newest attempt.

use uuid::Uuid;

use super::Refusal;
use super::draft::Draft;
use crate::attempt::{Attempt, Kind, Status};
use crate::stripe::StripeError;

/// The newest attempt as a report shows it.
pub(super) struct AttemptReport<'a> {
    /// Its status.
    pub(super) status: Status,
    /// Its charge, where the report certainly shows it.
    pub(super) charge: Option<&'a str>,
    /// Why it failed.
    pub(super) error: Option<&'a StripeError>,
    /// The id of an attempt that the step adds, should it add one.
    pub(super) fresh: Uuid,
}

/// Moves the newest attempt to the reported status, or adds the attempt that the report shows and no earlier one did.
///
/// The caller has decided that the report is news.
pub(super) fn apply(draft: &mut Draft, report: &AttemptReport<'_>) -> Result<(), Refusal> {
    let Some(newest) = draft.stream.newest_attempt() else {
        return observe(draft, report);
    };
    let another = matches!((&newest.charge_id, report.charge), (Some(a), Some(b)) if a != b);
    if newest.status.is_open() {
        if another {
            // The charge is another attempt's, so the known attempt failed and a newer one was made after it.
            draft.report_attempt(Status::Failed)?;
            return observe(draft, report);
        }
        note(draft, report);
        return draft.report_attempt(report.status);
    }
    if newest.status == report.status && !another {
        note(draft, report);
        return Ok(());
    }
    if newest.charge_id.is_some() && !another && report.charge.is_some() {
        note(draft, report);
        return draft.report_attempt(report.status);
    }
    observe(draft, report)
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
        // Stripe's two reasons for an authorization that ran out; `charge.expired` may come or not.
        _ if ran_out => draft.report_attempt(Status::Expired),
        _ => draft.report_attempt(Status::Voided),
    }
}

/// Notes the charge of the newest attempt where it is not known yet and the charge, which shows the attempt in status
/// `goal`, can be no other attempt's. Nothing moves.
pub(super) fn learn_charge(draft: &mut Draft, charge: &str, goal: Status) {
    if let Some(newest) = draft.stream.attempts.last_mut()
        && newest.charge_id.is_none()
        && is_only_charge(newest, goal)
    {
        newest.charge_id = Some(charge.to_owned());
    }
}

/// Whether a charge that shows its attempt in status `goal` is certainly of the newest attempt, whose charge is not known.
///
/// An intent has one charge that succeeds at most, and the first attempt has none before it.
pub(super) fn is_only_charge(newest: &Attempt, goal: Status) -> bool {
    let succeeded = |status| matches!(status, Status::Authorized | Status::Captured);
    if newest.status.is_open() {
        return newest.number == 1 || succeeded(goal);
    }
    (succeeded(goal) && succeeded(newest.status)) || (newest.number == 1 && newest.status == goal)
}

fn observe(draft: &mut Draft, report: &AttemptReport<'_>) -> Result<(), Refusal> {
    draft.add_attempt(report.fresh, Kind::Observed, report.status)?;
    note(draft, report);
    Ok(())
}

fn note(draft: &mut Draft, report: &AttemptReport<'_>) {
    let Some(newest) = draft.stream.attempts.last_mut() else {
        return;
    };
    if let Some(charge) = report.charge {
        newest.charge_id = Some(charge.to_owned());
    }
    if let Some(error) = report.error {
        newest.error = Some(error.clone());
        if error.charge.is_some() {
            draft.stream.payment.shown_error = Some(error.clone());
        }
    }
}
