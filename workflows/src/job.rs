//! A job: one effect in the queue, from the commit that asks for it until it is done.
//!
//! Its statements are SQL (`engine/src/store/job.rs`). This table lists their effects, and a test of the engine drives
//! them through each rule (`engine/src/store/job/life.rs`).

use crate::edge::{Driver, From, Rule, To};
use crate::names::names;

names! {
    /// The state of a job.
    pub enum State: "job state" {
        /// It waits until it is due.
        Queued = "queued",
        /// A worker has its lease.
        Running = "running",
        /// It is over. Pruned after a week.
        Done = "done",
        /// Dead-lettered: it needs an operator.
        Dead = "dead",
    }
}

names! {
    /// What happened to a job.
    pub enum Happening: "job event" {
        /// A step asked for it.
        Added = "added",
        /// A worker leased it.
        Claimed = "claimed",
        /// Another worker leased it after its lease had run out.
        TakenOver = "taken_over",
        /// Its payment asked for a resync once more.
        Coalesced = "coalesced",
        /// Its call has an outcome, which was applied.
        Finished = "finished",
        /// A resync was asked for once more while it ran.
        RunAgain = "run_again",
        /// Its call was sent and failed.
        Retried = "retried",
        /// Its call was not sent.
        Snoozed = "snoozed",
        /// Its call can have no outcome, or the outcome cannot be applied.
        DeadLettered = "dead_lettered",
        /// It was leased too often without an end.
        Quarantined = "quarantined",
        /// The outcome of its call became known in another way.
        Superseded = "superseded",
        /// An operator sent it again.
        SentAgain = "sent_again",
        /// An operator put it off.
        PutOff = "put_off",
        /// An operator leased it to cancel it.
        Canceling = "canceling",
    }
}

/// Every rule of the life of a job.
pub const RULES: &[Rule<State, Happening>] = &[
    Rule {
        id: "J0",
        from: From::Nothing,
        kind: Happening::Added,
        to: To::Any(&[State::Queued]),
        driver: Driver::Engine,
        driven_by: "a step asks for the effect; both are committed together",
    },
    Rule {
        id: "J1",
        from: From::Nothing,
        kind: Happening::Claimed,
        to: To::Any(&[State::Running]),
        driver: Driver::Engine,
        driven_by: "the worker whose result asked for the effect leases it in the same commit",
    },
    Rule {
        id: "J2",
        from: From::Any(&[State::Queued]),
        kind: Happening::Claimed,
        to: To::Any(&[State::Running]),
        driver: Driver::Engine,
        driven_by: "the job is due, and a worker leases it",
    },
    Rule {
        id: "J3",
        from: From::Any(&[State::Running]),
        kind: Happening::TakenOver,
        to: To::Itself,
        driver: Driver::Engine,
        driven_by: "its lease ran out, and another worker leases it",
    },
    Rule {
        id: "J4",
        from: From::Any(&[State::Queued, State::Running]),
        kind: Happening::Coalesced,
        to: To::Itself,
        driver: Driver::Engine,
        driven_by: "a step asks for a resync while one is open",
    },
    Rule {
        id: "J5",
        from: From::Any(&[State::Running]),
        kind: Happening::Finished,
        to: To::Any(&[State::Done]),
        driver: Driver::Engine,
        driven_by: "the worker commits the result under its lease",
    },
    Rule {
        id: "J6",
        from: From::Any(&[State::Running]),
        kind: Happening::RunAgain,
        to: To::Any(&[State::Queued]),
        driver: Driver::Engine,
        driven_by: "the worker commits the result of a resync that was asked for once more while it ran",
    },
    Rule {
        id: "J7",
        from: From::Any(&[State::Running]),
        kind: Happening::Retried,
        to: To::Any(&[State::Queued]),
        driver: Driver::Engine,
        driven_by: "the call failed and may succeed later: due again after a backoff, with the same key",
    },
    Rule {
        id: "J8",
        from: From::Any(&[State::Running]),
        kind: Happening::Snoozed,
        to: To::Any(&[State::Queued]),
        driver: Driver::Engine,
        driven_by: "the call was not sent, such as while Stripe is paused: no try is counted",
    },
    Rule {
        id: "J9",
        from: From::Any(&[State::Running]),
        kind: Happening::DeadLettered,
        to: To::Any(&[State::Dead]),
        driver: Driver::Engine,
        driven_by: "the call cannot succeed, or `step` refuses its result",
    },
    Rule {
        id: "J10",
        from: From::Any(&[State::Running]),
        kind: Happening::Quarantined,
        to: To::Any(&[State::Dead]),
        driver: Driver::Engine,
        driven_by: "it was leased 20 times without an end: it may kill its process",
    },
    Rule {
        id: "J11",
        from: From::Any(&[State::Queued, State::Running, State::Dead]),
        kind: Happening::Superseded,
        to: To::Any(&[State::Done]),
        driver: Driver::Engine,
        driven_by: "a report closes the payment's open call before its answer comes",
    },
    Rule {
        id: "J12",
        from: From::Any(&[State::Dead]),
        kind: Happening::SentAgain,
        to: To::Any(&[State::Queued]),
        driver: Driver::Operator,
        driven_by: "an operator sends it again, with the same key",
    },
    Rule {
        id: "J13",
        from: From::Any(&[State::Queued]),
        kind: Happening::PutOff,
        to: To::Itself,
        driver: Driver::Operator,
        driven_by: "an operator puts it off",
    },
    Rule {
        id: "J14",
        from: From::Any(&[State::Queued]),
        kind: Happening::Canceling,
        to: To::Any(&[State::Running]),
        driver: Driver::Operator,
        driven_by: "an operator leases it to cancel it, because its call was never sent",
    },
];
