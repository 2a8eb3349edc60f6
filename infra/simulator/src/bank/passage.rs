//! What happens because time passes: the tasks of timers, authorizations that expire, disputes without evidence.

use crate::bank::{cancellation, charges, consequences, disputes, refunds};
use crate::form::Form;
use crate::objects::dispute::Dispute;
use crate::objects::event::Cause;
use crate::objects::intent;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::timers::Task;

/// Does a task whose time has come.
pub(crate) fn perform(store: &mut Store, task: &Task, call: &Call<'_>) -> Result<(), Refusal> {
    match task {
        Task::SettleIntent(id) => charges::settle(store, id, None, call),
        Task::ShowCharge(id) => charges::show(store, id, call),
        Task::SettleRefund(id) => refunds::settle(store, id, None, call),
        Task::FollowUp(id) => consequences::happen(store, id, call),
        Task::DecideDispute(id) => disputes::decide_as_asked(store, id, call),
        Task::ExpireAuthorization(id) => cancellation::expire(store, id, call),
        Task::LapseDispute(id) => disputes::lapse(store, id, call),
    }
}

/// Sets the clock ahead by `seconds`. All that is due by then has happened when this returns, each thing at its own time and
/// in the order of these times; what follows from it within these seconds has happened too.
pub(crate) fn advance(store: &mut Store, seconds: i64) {
    let end = store.ahead() + seconds * 1000;
    let until = store.now_millis() + seconds * 1000;
    for (due, task) in ends(store, until) {
        store.timers.add(due, task);
    }
    while let Some((due, task)) = store.timers.take_due(until) {
        store.reach(due);
        let call = Call {
            id: "",
            form: &Form::default(),
            now: store.now(),
            cause: Cause::default(),
        };
        if perform(store, &task, &call).is_err() {
            tracing::debug!(
                ?task,
                "a timer had nothing to do: its object has changed since it was started"
            );
        }
        if let Some((due, lapse)) = opened(store, &task).filter(|(due, _)| *due <= until) {
            store.timers.add(due, lapse);
        }
    }
    store.set_ahead(end);
}

/// The authorizations and the times for evidence that end at `until` or before, in milliseconds since the epoch.
fn ends(store: &Store, until: i64) -> Vec<(i64, Task)> {
    let authorized = store
        .intents
        .iter()
        .filter(|intent| intent.status == intent::Status::RequiresCapture);
    let expiries = authorized.filter_map(|intent| {
        let charge = store.charges.find(intent.latest_charge()?)?;
        let task = Task::ExpireAuthorization(intent.id.clone());
        Some((charge.capture_before? * 1000, task))
    });
    let unanswered = store.disputes.iter().filter(|it| it.needs_response());
    let ends = expiries.chain(unanswered.map(lapse));
    ends.filter(|(due, _)| *due <= until).collect()
}

/// The end of the time for evidence of the dispute that `task` has opened, if it has opened one.
fn opened(store: &Store, task: &Task) -> Option<(i64, Task)> {
    let Task::FollowUp(charge) = task else {
        return None;
    };
    let dispute = store.charges.find(charge)?.dispute.as_deref()?;
    store.disputes.find(dispute).map(lapse)
}

fn lapse(dispute: &Dispute) -> (i64, Task) {
    (
        dispute.due_by * 1000,
        Task::LapseDispute(dispute.id.clone()),
    )
}
