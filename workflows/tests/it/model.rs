//! An exhaustive search: every order in which two workers, the network, Stripe and a client can act on one payment, within
//! bounds on what goes wrong. The decisions are those of `stream::step`, so that the model cannot differ from the code.

mod act;
mod check;
mod system;

use act::Action;
use stateright::{Checker, Expectation, Model, Property};
use system::{Bounds, Fault, System};

/// One payment, explored within bounds, and perhaps with a fault put into the system on purpose.
#[derive(Clone)]
struct Payment {
    bounds: Bounds,
    fault: Option<Fault>,
}

impl Model for Payment {
    type State = System;
    type Action = Action;

    fn init_states(&self) -> Vec<System> {
        vec![System::new(self.bounds, self.fault)]
    }

    fn actions(&self, state: &System, actions: &mut Vec<Action>) {
        act::possible(state, actions);
    }

    fn next_state(&self, state: &System, action: Action) -> Option<System> {
        let mut next = state.clone();
        next.act(action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one intent is created", |_, it: &System| it.intents <= 1),
            Property::always("no refund is made twice", |_, it: &System| {
                check::refunds_once(it)
            }),
            Property::always("a failed attempt took no money", |_, it: &System| {
                check::failed_attempts_took_nothing(it)
            }),
            Property::always("no answer counts without a lease", |_, it: &System| {
                !it.unfenced
            }),
            Property::always("nothing that Stripe says is refused", |_, it: &System| {
                !it.refused
            }),
            Property::always("no acknowledged webhook is forgotten", |_, it: &System| {
                !it.forgotten
            }),
            Property::always(
                "the payment comes to rest as Stripe has it",
                |_, it: &System| check::comes_to_rest(it),
            ),
            Property::sometimes("paid", |_, it: &System| it.is("succeeded")),
            Property::sometimes("canceled", |_, it: &System| it.is("canceled")),
            Property::sometimes("a second attempt", |_, it: &System| {
                it.played.attempts.len() > 1
            }),
        ]
    }
}

/// Nothing is asked for beyond the payment itself, and nothing goes wrong.
const PLAIN: Bounds = Bounds {
    confirms: 0,
    cancels: 0,
    captures: 0,
    refunds: 0,
    progress: 1,
    crashes: 0,
    losses: 0,
    duplicates: 0,
    pauses: 0,
    manual: false,
};

/// Everything that may go wrong, once each.
const FAULTS: Bounds = Bounds {
    crashes: 1,
    losses: 1,
    duplicates: 1,
    pauses: 1,
    ..PLAIN
};

/// The searches of `make test`.
const SHORT: &[(&str, Bounds)] = &[
    (
        "a crash, a loss",
        Bounds {
            crashes: 1,
            losses: 1,
            ..PLAIN
        },
    ),
    (
        "a duplicate, a pause",
        Bounds {
            duplicates: 1,
            pauses: 1,
            ..PLAIN
        },
    ),
    (
        "two confirmations",
        Bounds {
            confirms: 1,
            progress: 0,
            ..PLAIN
        },
    ),
    (
        "cancel beside capture",
        Bounds {
            cancels: 1,
            captures: 1,
            manual: true,
            ..PLAIN
        },
    ),
    (
        "a refund, a loss",
        Bounds {
            refunds: 1,
            losses: 1,
            ..PLAIN
        },
    ),
];

/// The searches of `make prove`.
const FULL: &[(&str, Bounds)] = &[
    ("every fault", FAULTS),
    (
        "two confirmations, a crash",
        Bounds {
            confirms: 1,
            crashes: 1,
            ..PLAIN
        },
    ),
    (
        "two confirmations, a loss",
        Bounds {
            confirms: 1,
            losses: 1,
            ..PLAIN
        },
    ),
    (
        "two confirmations, a pause",
        Bounds {
            confirms: 1,
            pauses: 1,
            ..PLAIN
        },
    ),
    (
        "confirm beside cancel",
        Bounds {
            confirms: 1,
            cancels: 1,
            ..PLAIN
        },
    ),
    (
        "cancel, every fault",
        Bounds {
            cancels: 1,
            progress: 0,
            ..FAULTS
        },
    ),
    (
        "cancel beside capture, a crash, a loss",
        Bounds {
            cancels: 1,
            captures: 1,
            crashes: 1,
            losses: 1,
            manual: true,
            ..PLAIN
        },
    ),
    (
        "a refund, every fault",
        Bounds {
            refunds: 1,
            ..FAULTS
        },
    ),
    (
        "two refunds, a crash, a loss",
        Bounds {
            refunds: 2,
            crashes: 1,
            losses: 1,
            ..PLAIN
        },
    ),
];

/// Explores everything within the bounds, prints how much that was, and returns the names of the properties that do not
/// hold, each with the shortest known way there.
#[expect(
    clippy::print_stdout,
    reason = "docs/correctness.md keeps these figures"
)]
fn explore(name: &str, model: Payment) -> Vec<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a search took is not part of it"
    )]
    let started = std::time::Instant::now();
    let never_false = model.properties().into_iter();
    let never_false = never_false.filter(|it| it.expectation == Expectation::Always);
    let never_false: Vec<&str> = never_false.map(|it| it.name).collect();
    let checker = model.checker().threads(2).spawn_dfs().join();
    let (states, seconds) = (
        checker.unique_state_count(),
        started.elapsed().as_secs_f64(),
    );
    println!("{name}: {states} states in {seconds:.1} s");
    let found = checker.discoveries().into_iter();
    let broken = found.filter(|(property, _)| never_false.contains(property));
    let described = broken.map(|(property, path)| format!("{property}: {:?}", path.into_actions()));
    described.collect()
}

fn holds(searches: &[(&str, Bounds)]) {
    for (name, bounds) in searches {
        let broken = explore(
            name,
            Payment {
                bounds: *bounds,
                fault: None,
            },
        );
        assert_eq!(broken, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn within_small_bounds_every_order_of_events_ends_right() {
    holds(SHORT);
}

#[test]
#[ignore = "minutes, in a release build: `make prove` runs it"]
fn within_all_bounds_every_order_of_events_ends_right() {
    holds(FULL);
}

/// A search that finds no fault proves nothing until it has found one that is there.
#[test]
fn a_fault_that_is_put_in_is_found() {
    let with_loss = Bounds {
        losses: 1,
        refunds: 1,
        progress: 0,
        ..PLAIN
    };
    let with_pause = Bounds {
        pauses: 1,
        confirms: 1,
        progress: 0,
        ..PLAIN
    };
    let with_crash = Bounds {
        crashes: 1,
        ..PLAIN
    };
    let planted = [
        (Fault::NewKeyOnRetry, with_loss, "no refund is made twice"),
        (Fault::NewKeyOnRetry, with_loss, "one intent is created"),
        (
            Fault::NoLeaseCheck,
            with_pause,
            "no answer counts without a lease",
        ),
        (
            Fault::MarkedBeforeApplied,
            with_crash,
            "no acknowledged webhook is forgotten",
        ),
    ];
    for (fault, bounds, property) in planted {
        let broken = explore(
            &format!("{fault:?}"),
            Payment {
                bounds,
                fault: Some(fault),
            },
        );
        let found = broken.iter().any(|it| it.starts_with(property));
        assert!(found, "{fault:?} does not break `{property}`: {broken:?}");
    }
}

/// A search that does not get anywhere proves nothing.
#[test]
fn the_search_reaches_every_end() {
    let bounds = Bounds {
        confirms: 1,
        cancels: 1,
        progress: 0,
        ..PLAIN
    };
    let checker = Payment {
        bounds,
        fault: None,
    }
    .checker()
    .spawn_dfs()
    .join();
    for reached in ["paid", "canceled", "a second attempt"] {
        checker.assert_any_discovery(reached);
    }
}
