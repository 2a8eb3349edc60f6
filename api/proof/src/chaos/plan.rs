//! The payments and faults of a campaign, decided by its seed alone.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// The course of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Story {
    /// A card that succeeds at once.
    Card,
    /// A card that is declined; the payment stays in `requires_payment_method`.
    Declined,
    /// A declined card, then a good one: two attempts.
    DeclinedThenCard,
    /// 3-D Secure, completed by the customer.
    ThreeDSecure,
    /// A method that is `processing` for some time and succeeds.
    Processing,
    /// A method that is `processing` for some time and fails.
    ProcessingFails,
    /// Authorised, then captured by the merchant.
    Capture,
    /// Authorised, then canceled by the merchant.
    Cancel,
}

impl Story {
    /// Whether the payment must end in `succeeded`: no decline and no cancellation is part of the story.
    pub(crate) fn must_succeed(self) -> bool {
        matches!(
            self,
            Story::Card | Story::ThreeDSecure | Story::Processing | Story::Capture
        )
    }

    /// The test payment method it starts with.
    pub(crate) fn payment_method(self) -> &'static str {
        match self {
            Story::Card | Story::Capture | Story::Cancel => "pm_card_visa",
            Story::Declined | Story::DeclinedThenCard => "pm_card_chargeDeclined",
            Story::ThreeDSecure => "pm_card_authenticationRequired",
            Story::Processing => "pm_usBankAccount_success",
            Story::ProcessingFails => "pm_usBankAccount_noAccount",
        }
    }
}

/// The refunds of a payment once it succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refunds {
    None,
    Whole,
    Half,
    TwoHalves,
}

impl Refunds {
    /// The amounts of a payment of `amount`; `None` refunds the rest.
    pub(crate) fn amounts(self, amount: i64) -> Vec<Option<i64>> {
        match self {
            Refunds::None => Vec::new(),
            Refunds::Whole => vec![None],
            Refunds::Half => vec![Some(amount / 2)],
            Refunds::TwoHalves => vec![Some(amount / 2), Some(amount - amount / 2)],
        }
    }
}

/// One payment of the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) number: u64,
    pub(crate) amount: i64,
    pub(crate) currency: &'static str,
    pub(crate) story: Story,
    pub(crate) refunds: Refunds,
    /// The client sends the creation twice at the same time, under one key.
    pub(crate) impatient: bool,
}

/// The payment of that number in the campaign of that seed.
pub(crate) fn order(seed: u64, number: u64) -> Order {
    let mut random = random(seed, number);
    let story = match random.random_range(0..100) {
        0..60 => Story::Card,
        60..68 => Story::Declined,
        68..74 => Story::DeclinedThenCard,
        74..82 => Story::ThreeDSecure,
        82..87 => Story::Processing,
        87..90 => Story::ProcessingFails,
        90..95 => Story::Capture,
        _ => Story::Cancel,
    };
    let currency = match story {
        // A bank debit of the United States is in dollars.
        Story::Processing | Story::ProcessingFails => "usd",
        _ => ["usd", "eur", "jpy", "gbp"][random.random_range(0..4)],
    };
    let refunds = match (number % 2, random.random_range(0..3)) {
        (0, _) => Refunds::None,
        (_, 0) => Refunds::Whole,
        (_, 1) => Refunds::Half,
        _ => Refunds::TwoHalves,
    };
    Order {
        number,
        amount: random.random_range(200..50_000),
        currency,
        story,
        refunds,
        impatient: random.random_ratio(1, 20),
    }
}

/// A fault that the campaign itself commits. The faults of the simulator are ordered once, with the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// `kill -9` of the worker of that index.
    KillWorker(usize),
    /// `FLUSHALL` in Redis.
    FlushAll,
    /// Somebody else's transaction locks payments.
    LockPayments,
    /// The Kafka broker is stopped and started again.
    RestartKafka,
}

/// A kind of strike, with the time between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recurring {
    KillWorker,
    FlushAll,
    LockPayments,
    RestartKafka,
}

impl Recurring {
    /// Its strikes are about this far apart.
    pub(crate) const fn every(self) -> Duration {
        match self {
            Self::KillWorker => Duration::from_secs(2),
            Self::FlushAll => Duration::from_secs(5),
            Self::LockPayments => Duration::from_secs(7),
            Self::RestartKafka => Duration::from_secs(20),
        }
    }
}

/// The endless schedule of strikes, each with the time since the start of the load.
pub(crate) struct Schedule {
    random: StdRng,
    workers: usize,
    next: Vec<(Duration, Recurring)>,
}

impl Schedule {
    /// The schedule of a seed, with strikes of these kinds.
    pub(crate) fn new(seed: u64, workers: usize, kinds: &[Recurring]) -> Schedule {
        let first = |kind: &Recurring| match kind {
            Recurring::KillWorker => (kind.every(), *kind),
            _ => (kind.every() / 2, *kind),
        };
        Schedule {
            random: random(seed, u64::MAX),
            workers,
            next: kinds.iter().map(first).collect(),
        }
    }
}

impl Iterator for Schedule {
    type Item = (Duration, Strike);

    fn next(&mut self) -> Option<(Duration, Strike)> {
        let (at, kind) = self.next.iter_mut().min_by_key(|(at, _)| *at)?;
        let (now, every) = (*at, kind.every());
        // The others are not in step with the kills, so that they meet in every distance.
        let (strike, pause) = match kind {
            Recurring::KillWorker => {
                let worker = self.random.random_range(0..self.workers);
                (Strike::KillWorker(worker), every)
            }
            Recurring::FlushAll => (
                Strike::FlushAll,
                every.mul_f64(self.random.random_range(0.7..1.1)),
            ),
            Recurring::LockPayments => (
                Strike::LockPayments,
                every.mul_f64(self.random.random_range(0.7..1.1)),
            ),
            Recurring::RestartKafka => (Strike::RestartKafka, every),
        };
        *at += pause;
        Some((now, strike))
    }
}

/// A generator of its own for each thing, so that none depends on the order in which others were asked for.
fn random(seed: u64, thing: u64) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&thing.to_le_bytes());
    StdRng::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Recurring; 4] = [
        Recurring::KillWorker,
        Recurring::FlushAll,
        Recurring::LockPayments,
        Recurring::RestartKafka,
    ];

    #[test]
    fn a_seed_makes_the_same_orders_and_strikes_again() {
        let orders = |seed| {
            (0..50)
                .map(|number| order(seed, number))
                .collect::<Vec<_>>()
        };
        let strikes = |seed| Schedule::new(seed, 3, &ALL).take(50).collect::<Vec<_>>();
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
    }

    #[test]
    fn strikes_come_in_order_of_time_and_all_kinds_come() {
        let strikes: Vec<_> = Schedule::new(1, 2, &ALL).take(100).collect();
        assert!(strikes.is_sorted_by_key(|(at, _)| *at));
        for kind in [
            Strike::FlushAll,
            Strike::LockPayments,
            Strike::RestartKafka,
            Strike::KillWorker(1),
        ] {
            assert!(
                strikes.iter().any(|(_, strike)| *strike == kind),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn nothing_strikes_when_no_fault_is_wanted() {
        assert_eq!(Schedule::new(1, 2, &[]).next(), None);
    }

    #[test]
    fn refunds_never_exceed_the_payment() {
        assert_eq!(Refunds::TwoHalves.amounts(7), [Some(3), Some(4)]);
        assert_eq!(Refunds::Whole.amounts(7), [None]);
    }
}
