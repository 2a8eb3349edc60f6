//! Random walks: whatever happens in whatever order, the rules hold, and in the end both sides agree.

use proptest::prelude::*;
use workflows::payment::{CaptureMethod, Payment};
use workflows::stream;
use workflows::stream::Transition;

use crate::played::Played;
use crate::samples::payment;
use crate::world::World;

fn world(manual: bool, confirm: bool) -> World {
    let new = Payment {
        confirm,
        capture_method: if manual {
            CaptureMethod::Manual
        } else {
            CaptureMethod::Automatic
        },
        ..payment()
    };
    let first = stream::start(new).unwrap();
    let mut played = Played::new(first.stream);
    played.history = first.transitions;
    World::of(played, manual)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// [`Played::play`] checks every step on the way: edges, versions, sums, attempts.
    #[test]
    fn whatever_happens_both_sides_agree_in_the_end(
        manual: bool,
        confirm: bool,
        acts in prop::collection::vec((any::<u8>(), 0_usize..12), 0..60),
    ) {
        let mut world = world(manual, confirm);
        for (act, pick) in acts {
            world.act(act, pick);
        }
        world.drain();
        world.agree();
    }
}

/// The same random walks on every run, each drained to its end.
fn each_walk(walks: usize, mut check: impl FnMut(&World)) {
    let mut state: u64 = 7;
    for _ in 0..walks {
        let mut world = world(state >> 63 == 0, (state >> 62) & 1 == 0);
        for _ in 0..40 {
            // A plain linear congruence.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let [act, pick, ..] = state.to_be_bytes();
            world.act(act, usize::from(pick));
        }
        world.drain();
        check(&world);
    }
}

/// Every transition of each of those walks, in order.
pub(crate) fn histories(walks: usize, mut each: impl FnMut(&[Transition])) {
    each_walk(walks, |world| each(&world.played.history));
}

/// A walk that does not get anywhere proves nothing.
#[test]
fn walks_reach_every_end() {
    let mut ends = std::collections::BTreeSet::new();
    let mut refunds = 0;
    let mut many_attempts = 0;
    each_walk(2_000, |world| {
        world.agree();
        let payment = &world.played.stream.payment;
        ends.insert(payment.status.as_str());
        refunds += usize::from(payment.refunded > 0);
        many_attempts += usize::from(payment.attempts > 1);
    });
    let all = [
        "canceled",
        "processing",
        "requires_action",
        "requires_capture",
        "requires_payment_method",
        "succeeded",
    ];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), all);
    assert!(refunds > 50, "{refunds}");
    assert!(many_attempts > 200, "{many_attempts}");
}
