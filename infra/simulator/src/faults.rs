//! Misbehaviour on demand: rules that make requests and webhooks go wrong, drawn by a seeded generator and counted.

mod rule;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::event;
use crate::lock::Lock;

pub(crate) use rule::{Fault, Rule, Stage, of_header};

/// The rules in force and what fired so far.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Whether any rule is in force: the quiet path asks no lock.
    armed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seed: u64,
    rng: StdRng,
    rules: Vec<Armed>,
    fired: BTreeMap<Fault, u64>,
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    seen: u64,
    fired: u64,
    burst_left: u64,
}

/// What `PUT /_sim/faults` takes: rules in place of those in force. Counts go on unless `reset_counts` is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    seed: Option<u64>,
    #[serde(default)]
    reset_counts: bool,
    rules: Vec<Rule>,
}

/// What `GET /_sim/faults` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seed: u64,
    rules: Vec<RuleReport>,
    fired: BTreeMap<Fault, u64>,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    #[serde(flatten)]
    rule: Rule,
    seen: u64,
    fired: u64,
}

impl Faults {
    /// No rules; `seed` decides what later rules draw.
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            seed,
            rng: StdRng::seed_from_u64(seed),
            rules: Vec::new(),
            fired: Fault::ALL.iter().map(|fault| (*fault, 0)).collect(),
        };
        Self {
            armed: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Puts the rules of `order` in force.
    pub(crate) fn put(&self, order: Order) {
        let mut state = self.state.hold();
        if let Some(seed) = order.seed {
            state.seed = seed;
            state.rng = StdRng::seed_from_u64(seed);
        }
        if order.reset_counts {
            state.fired.values_mut().for_each(|count| *count = 0);
        }
        state.rules = order.rules.into_iter().map(Armed::new).collect();
        self.armed.store(!state.rules.is_empty(), Ordering::Release);
    }

    /// Lifts all rules; the counts stay.
    pub(crate) fn lift(&self) {
        self.state.hold().rules.clear();
        self.armed.store(false, Ordering::Release);
    }

    /// The rules in force and what fired.
    pub(crate) fn report(&self) -> Report {
        let state = self.state.hold();
        let rules = state.rules.iter().map(|armed| RuleReport {
            rule: armed.rule.clone(),
            seen: armed.seen,
            fired: armed.fired,
        });
        Report {
            seed: state.seed,
            rules: rules.collect(),
            fired: state.fired.clone(),
        }
    }

    /// The faults that strike `subject` (a route's or an event's name) at `stage`: delays, then at most one other.
    /// Those that `extra` names strike surely; all are counted but shuffles, which count when they moved something.
    pub(crate) fn draw(&self, stage: Stage, subject: &str, extra: &[Rule]) -> Vec<Rule> {
        if extra.is_empty() && !self.armed.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut inner = self.state.hold();
        let State { rng, rules, .. } = &mut *inner;
        let demanded = extra
            .iter()
            .filter(|rule| rule.fault.stage() == stage)
            .cloned();
        let drawn = rules
            .iter_mut()
            .filter(|armed| armed.rule.fault.stage() == stage && armed.rule.covers(subject))
            .filter_map(|armed| armed.strikes(rng).then(|| armed.rule.clone()));
        let mut faults = Vec::new();
        for rule in demanded.chain(drawn) {
            let ends = rule.fault.ends();
            faults.push(rule);
            if ends {
                break;
            }
        }
        for rule in faults
            .iter()
            .filter(|rule| rule.fault != Fault::WebhookShuffled)
        {
            *inner.fired.entry(rule.fault).or_default() += 1;
        }
        faults
    }

    /// Counts a fault that was not counted when it was drawn.
    pub(crate) fn count(&self, fault: Fault, times: u64) {
        *self.state.hold().fired.entry(fault).or_default() += times;
    }

    /// Permutes `items` and returns how many of them moved.
    pub(crate) fn shuffle<T>(&self, items: &mut Vec<T>) -> u64 {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.shuffle(&mut self.state.hold().rng);
        let moved = order
            .iter()
            .enumerate()
            .filter(|(place, from)| place != *from)
            .count();
        let mut slots: Vec<_> = items.drain(..).map(Some).collect();
        items.extend(order.iter().filter_map(|from| slots[*from].take()));
        u64::try_from(moved).unwrap_or_default()
    }
}

impl Armed {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            seen: 0,
            fired: 0,
            burst_left: 0,
        }
    }

    /// Whether the rule strikes the next thing it covers.
    fn strikes(&mut self, rng: &mut StdRng) -> bool {
        self.seen += 1;
        if self.rule.count.is_some_and(|count| self.fired >= count) {
            return false;
        }
        let strikes = if self.burst_left > 0 {
            self.burst_left -= 1;
            true
        } else {
            let due = self
                .rule
                .every
                .is_none_or(|every| self.seen.is_multiple_of(every.max(1)));
            let strikes = due && rng.random_bool(self.rule.probability.clamp(0.0, 1.0));
            if strikes {
                self.burst_left = self.rule.burst.unwrap_or(1).saturating_sub(1);
            }
            strikes
        };
        self.fired += u64::from(strikes);
        strikes
    }
}

impl Rule {
    fn covers(&self, subject: &str) -> bool {
        let scope = match self.fault.stage() {
            Stage::Webhook => &self.kind,
            Stage::Before | Stage::During | Stage::After => &self.route,
        };
        scope
            .as_deref()
            .is_none_or(|scope| event::matches(scope, subject))
    }
}
