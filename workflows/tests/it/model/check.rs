//! What must hold in every state.

use workflows::attempt;
use workflows::stripe::REFUND_ID;

use super::act;
use super::act::Action;
use super::system::System;
use crate::world::differences;

/// No refund of ours exists at Stripe more than once.
pub(super) fn refunds_once(it: &System) -> bool {
    let ours = |at: usize| it.stripe.refunds[at].metadata.get(REFUND_ID);
    (0..it.stripe.refunds.len()).all(|at| {
        let earlier = (0..at).filter(|earlier| ours(*earlier) == ours(at));
        ours(at).is_none() || earlier.count() == 0
    })
}

/// An attempt that is shown as failed took no money at Stripe.
pub(super) fn failed_attempts_took_nothing(it: &System) -> bool {
    it.took.iter().all(|attempt| {
        let shown = it.played.attempts.get(attempt);
        shown.is_none_or(|shown| shown.status != attempt::Status::Failed)
    })
}

/// Once nothing more goes wrong, and with a check by time, both sides agree.
pub(super) fn comes_to_rest(it: &System) -> bool {
    let Some(mut rested) = drain(it.clone()) else {
        return false;
    };
    if rested.stripe.intent.is_none() {
        return true;
    }
    for _ in 0..3 {
        rested.act(Action::Read);
        rested.act(Action::Resync);
        let Some(again) = drain(rested) else {
            return false;
        };
        rested = again;
    }
    differences(&rested.played, &rested.stripe).is_empty()
}

/// Does what is left to do, in one order, without anything new; `None` if it does not end.
fn drain(mut it: System) -> Option<System> {
    it.left = it.left.nothing();
    let mut actions = Vec::new();
    for _ in 0..200 {
        actions.clear();
        act::possible(&it, &mut actions);
        let Some(action) = actions.first() else {
            return Some(it);
        };
        it.act(*action);
    }
    None
}
