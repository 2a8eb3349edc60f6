//! Fault injection: rules by which requests and webhooks fail, drawn by a seeded generator and counted.

pub(crate) mod rule;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::faults::rule::{Fault, Rule, Stage};
use crate::objects::event;

/// The active rules and the counts of injected faults.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Whether there are rules, so that without them no lock is taken.
    active: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seed: u64,
    rng: StdRng,
    rules: Vec<ActiveRule>,
    fired: BTreeMap<Fault, u64>,
}

#[derive(Debug)]
struct ActiveRule {
    rule: Rule,
    seen: u64,
    fired: u64,
    burst_left: u64,
}

/// The body of `PUT /_sim/faults`: rules that replace the active ones. Counts are kept unless `reset_counts` is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRules {
    seed: Option<u64>,
    #[serde(default)]
    reset_counts: bool,
    rules: Vec<Rule>,
}

/// The answer of `GET /_sim/faults`.
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

impl Default for Faults {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Faults {
    /// No rules; `seed` determines the draws of later rules.
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            seed,
            rng: StdRng::seed_from_u64(seed),
            rules: Vec::new(),
            fired: Fault::ALL.iter().map(|fault| (*fault, 0)).collect(),
        };
        Self {
            active: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Replaces the active rules.
    pub(crate) fn replace(&self, new: NewRules) {
        let mut state = self.state.lock();
        if let Some(seed) = new.seed {
            state.seed = seed;
            state.rng = StdRng::seed_from_u64(seed);
        }
        if new.reset_counts {
            state.fired.values_mut().for_each(|count| *count = 0);
        }
        state.rules = new.rules.into_iter().map(ActiveRule::new).collect();
        self.active
            .store(!state.rules.is_empty(), Ordering::Release);
    }

    /// Removes all rules; the counts stay.
    pub(crate) fn clear(&self) {
        self.state.lock().rules.clear();
        self.active.store(false, Ordering::Release);
    }

    /// The active rules and the counts.
    pub(crate) fn report(&self) -> Report {
        let state = self.state.lock();
        let rules = state.rules.iter().map(|active| RuleReport {
            rule: active.rule.clone(),
            seen: active.seen,
            fired: active.fired,
        });
        Report {
            seed: state.seed,
            rules: rules.collect(),
            fired: state.fired.clone(),
        }
    }

    /// Draws the faults for `subject` (the name of a route or an event) at `stage`: delays, then at most one other.
    /// Those of `extra` are always drawn. All are counted here but shuffles, which count when they moved something.
    pub(crate) fn draw(&self, stage: Stage, subject: &str, extra: &[Rule]) -> Vec<Rule> {
        if extra.is_empty() && !self.active.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut inner = self.state.lock();
        let State { rng, rules, .. } = &mut *inner;
        let demanded = extra
            .iter()
            .filter(|rule| rule.fault.stage() == stage)
            .cloned();
        let drawn = rules
            .iter_mut()
            .filter(|active| active.rule.fault.stage() == stage && active.rule.covers(subject))
            .filter_map(|active| active.applies(rng).then(|| active.rule.clone()));
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

    /// Draws `fault` for the change of an object of which the event `kind` reports.
    pub(crate) fn draw_for_object(&self, fault: Fault, kind: &str) -> Option<Rule> {
        if !self.active.load(Ordering::Acquire) {
            return None;
        }
        let mut inner = self.state.lock();
        let State {
            rng, rules, fired, ..
        } = &mut *inner;
        let rule = rules
            .iter_mut()
            .filter(|active| active.rule.fault == fault && active.rule.covers(kind))
            .find_map(|active| active.applies(rng).then(|| active.rule.clone()))?;
        *fired.entry(fault).or_default() += 1;
        Some(rule)
    }

    /// Counts a fault that is not counted when it is drawn.
    pub(crate) fn count(&self, fault: Fault, times: u64) {
        *self.state.lock().fired.entry(fault).or_default() += times;
    }

    /// Permutes `items` and returns how many of them moved.
    pub(crate) fn shuffle<T>(&self, items: &mut Vec<T>) -> u64 {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.shuffle(&mut self.state.lock().rng);
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

impl ActiveRule {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            seen: 0,
            fired: 0,
            burst_left: 0,
        }
    }

    /// Whether the rule applies to the next subject that it covers.
    fn applies(&mut self, rng: &mut StdRng) -> bool {
        self.seen += 1;
        if self.rule.count.is_some_and(|count| self.fired >= count) {
            return false;
        }
        let applies = if self.burst_left > 0 {
            self.burst_left -= 1;
            true
        } else {
            let due = self
                .rule
                .every
                .is_none_or(|every| self.seen.is_multiple_of(every.max(1)));
            let applies = due && rng.random_bool(self.rule.probability.clamp(0.0, 1.0));
            if applies {
                self.burst_left = self.rule.burst.unwrap_or(1).saturating_sub(1);
            }
            applies
        };
        self.fired += u64::from(applies);
        applies
    }
}

impl Rule {
    fn covers(&self, subject: &str) -> bool {
        let scope = match self.fault.stage() {
            Stage::Webhook | Stage::Object => &self.kind,
            Stage::Before | Stage::During | Stage::After => &self.route,
        };
        scope
            .as_deref()
            .is_none_or(|scope| event::matches(scope, subject))
    }
}
