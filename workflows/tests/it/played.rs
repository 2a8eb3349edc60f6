//! A stream that is played through events, and that watches over the rules while it moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use uuid::Uuid;
use workflows::attempt::Attempt;
use workflows::edges::{Machine, NONE};
use workflows::stream::{
    ChargeReport, DisputeReport, Effect, Event, IntentReport, RefundReport, Refusal, Snapshot,
    Step, Stream, Transition, VoidCall,
};
use workflows::{edges, stream};

/// A stream with all that was ever decided about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Played {
    pub(crate) stream: Stream,
    /// Every attempt as it would be stored.
    pub(crate) attempts: BTreeMap<Uuid, Attempt>,
    /// What the last event asked to be done, and what all of them did.
    pub(crate) asked: Vec<Effect>,
    /// Every transition so far. A search that compares states clears it.
    pub(crate) history: Vec<Transition>,
    /// Whether a resync is due.
    pub(crate) resync: bool,
}

type Key = (Machine, &'static str, &'static str, &'static str);

static EDGES: LazyLock<BTreeSet<Key>> = LazyLock::new(|| {
    let edges = edges::all().into_iter();
    edges
        .map(|edge| (edge.machine, edge.from, edge.kind, edge.to))
        .collect()
});

impl Played {
    pub(crate) fn new(stream: Stream) -> Self {
        let attempts = stream.attempts.iter().cloned().map(|it| (it.id, it));
        Self {
            attempts: attempts.collect(),
            asked: Vec::new(),
            history: Vec::new(),
            resync: false,
            stream,
        }
    }

    /// Applies an event as the engine does, and checks what must hold of every step.
    pub(crate) fn play(&mut self, event: &Event) -> Result<Step, Refusal> {
        let event = &self.with_fresh_ids(event);
        let step = stream::step(&self.stream, event)?;
        self.check(&step, event);
        for attempt in &step.stream.attempts {
            self.attempts.insert(attempt.id, attempt.clone());
        }
        self.check_rows(&step);
        self.resync |= step.effects.contains(&Effect::Resync);
        self.asked.clone_from(&step.effects);
        self.history.extend(&step.transitions);
        self.stream = step.stream.clone();
        // Of the stored attempts only the newest is loaded.
        let older = self.stream.attempts.len().saturating_sub(1);
        self.stream.attempts.drain(..older);
        Ok(step)
    }

    /// The caller of `step` makes ids that no subject has, for a repeated event too. Here they follow from the state, so that
    /// two ways to the same state are the same state.
    fn with_fresh_ids(&self, event: &Event) -> Event {
        let mut event = event.clone();
        let capture = Uuid::from_u128((1 << 101) + self.stream.captures.len() as u128);
        let mut made = self.attempts.len() + self.stream.refunds.len();
        let mut mint = || {
            made += 1;
            Uuid::from_u128((1 << 100) + made as u128)
        };
        match &mut event {
            Event::IntentSeen(IntentReport {
                fresh_attempt,
                fresh_capture,
                ..
            }) => {
                *fresh_attempt = mint();
                *fresh_capture = capture;
            }
            Event::CallProvedVoid(VoidCall { fresh_attempt, .. })
            | Event::ChargeSeen(ChargeReport { fresh_attempt, .. }) => *fresh_attempt = mint(),
            Event::RefundSeen(RefundReport { fresh_refund, .. }) => *fresh_refund = mint(),
            Event::DisputeSeen(DisputeReport { fresh_dispute, .. }) => *fresh_dispute = mint(),
            Event::Resynced(Snapshot {
                fresh_attempt,
                fresh_capture,
                fresh_refunds,
                fresh_disputes,
                ..
            }) => {
                *fresh_attempt = mint();
                *fresh_capture = capture;
                fresh_refunds.fill_with(&mut mint);
                fresh_disputes.fill_with(mint);
            }
            _ => {}
        }
        event
    }

    fn check(&self, step: &Step, event: &Event) {
        let before = &self.stream.payment;
        let after = &step.stream.payment;
        let mut subjects = BTreeSet::new();
        let mut version = before.version;
        for transition in &step.transitions {
            version += 1;
            assert_eq!(transition.version, version, "versions have no gap");
            assert!(
                subjects.insert((transition.machine, transition.subject)),
                "one event moves one thing once: {event:?}"
            );
            let edge = (
                transition.machine,
                transition.from,
                transition.kind,
                transition.to,
            );
            assert!(EDGES.contains(&edge), "{edge:?} is in the table");
        }
        assert_eq!(
            after.version, version,
            "the version is the last transition's"
        );
        assert!(after.captured <= after.authorized, "{event:?}");
        assert!(after.refunded <= after.captured, "{event:?}");
        assert!(after.reserved >= 0 && after.refunded >= 0, "{event:?}");
        if after.status.is_final() {
            assert_eq!(after.open_call, None, "nothing is open at the end");
        }
        if step.is_empty() {
            assert_eq!(step.stream, self.stream, "an empty step changes nothing");
        }
    }

    fn check_rows(&self, step: &Step) {
        let open = self.attempts.values().filter(|it| it.status.is_open());
        assert!(open.count() <= 1, "at most one attempt is open");
        let count = i32::try_from(self.attempts.len()).unwrap();
        assert_eq!(count, step.stream.payment.attempts, "every attempt counts");
        let captures = &step.stream.captures;
        let open = captures.iter().filter(|it| it.status.is_open());
        assert!(open.count() <= 1, "at most one capture is open");
        let count = i32::try_from(captures.len()).unwrap();
        assert_eq!(count, step.stream.payment.captures, "every capture counts");
        for transition in &step.transitions {
            if transition.machine == Machine::Attempt {
                let stored = &self.attempts[&transition.subject];
                assert_eq!(
                    stored.status.as_str(),
                    transition.to,
                    "what moved is stored"
                );
            }
        }
    }
}

/// A line that says what a step did, for tables.
pub(crate) fn line(result: &Result<Step, Refusal>) -> String {
    let step = match result {
        Ok(step) => step,
        Err(refusal) => return format!("refused: {refusal}"),
    };
    let mut words: Vec<String> = Vec::new();
    for transition in &step.transitions {
        let from = if transition.from == NONE {
            ""
        } else {
            transition.from
        };
        words.push(format!(
            "{} {} {from}>{}",
            transition.machine, transition.kind, transition.to
        ));
    }
    for effect in &step.effects {
        words.push(format!("do {}", effect.kind()));
    }
    if words.is_empty() {
        words.push(if step.is_empty() { "nothing" } else { "noted" }.to_owned());
    }
    words.join(", ")
}
