//! The circuit breaker, by a clock of its own, and the waits between tries.

use std::time::{Duration, Instant};

use engine::stripe::backoff;
use engine::stripe::breaker::{Breaker, Health, State};
use proptest::prelude::*;

const FAILING: Health = Health::Failing { retry_after: None };

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn call(breaker: &Breaker, health: Health, now: Instant) {
    breaker.admit(now).unwrap().report(health, now);
}

/// A breaker that a storm of 20 failures has opened at `start`.
fn opened(start: Instant) -> Breaker {
    let breaker = Breaker::new(start);
    for _ in 0..20 {
        call(&breaker, FAILING, start);
    }
    breaker
}

#[test]
fn a_storm_opens_it_and_the_refusal_says_until_when() {
    let start = Instant::now();
    let breaker = opened(start);
    let until = start + seconds(1);
    assert_eq!(breaker.state(start), State::Open { until });
    assert_eq!(breaker.admit(start).unwrap_err().until, until);
    assert_eq!(breaker.ready(start).unwrap_err().until, until);
}

#[test]
fn every_second_call_may_fail_without_opening_it() {
    let start = Instant::now();
    let breaker = Breaker::new(start);
    for _ in 0..500 {
        call(&breaker, FAILING, start);
        call(&breaker, Health::Healthy, start);
    }
    assert_eq!(breaker.state(start), State::Closed);
}

#[test]
fn a_few_failures_prove_nothing() {
    let start = Instant::now();
    let breaker = Breaker::new(start);
    for _ in 0..19 {
        call(&breaker, FAILING, start);
    }
    assert_eq!(breaker.state(start), State::Closed);
}

#[test]
fn failures_older_than_the_window_are_forgotten() {
    let start = Instant::now();
    let breaker = Breaker::new(start);
    for _ in 0..19 {
        call(&breaker, FAILING, start);
    }
    let later = start + seconds(10);
    for _ in 0..19 {
        call(&breaker, FAILING, later);
    }
    assert_eq!(breaker.state(later), State::Closed);
}

#[test]
fn what_tells_nothing_is_not_counted() {
    let start = Instant::now();
    let breaker = Breaker::new(start);
    for _ in 0..100 {
        call(&breaker, Health::Unclear, start);
        drop(breaker.admit(start).unwrap());
    }
    assert_eq!(breaker.state(start), State::Closed);
}

#[test]
fn one_probe_goes_out_and_its_success_closes_it() {
    let start = Instant::now();
    let breaker = opened(start);
    let later = start + seconds(1);
    assert_eq!(breaker.state(later), State::HalfOpen);
    let probe = breaker.admit(later).unwrap();
    assert!(
        breaker.admit(later).is_err(),
        "a second call beside the probe"
    );
    assert!(breaker.ready(later).is_err());
    probe.report(Health::Healthy, later);
    assert_eq!(breaker.state(later), State::Closed);
    call(&breaker, FAILING, later);
    assert_eq!(
        breaker.state(later),
        State::Closed,
        "the old storm is forgotten"
    );
}

#[test]
fn each_failed_probe_doubles_the_pause_up_to_half_a_minute() {
    let start = Instant::now();
    let breaker = opened(start);
    let mut now = start + seconds(1);
    for pause in [2, 4, 8, 16, 30, 30] {
        call(&breaker, FAILING, now);
        let until = now + seconds(pause);
        assert_eq!(breaker.state(now), State::Open { until });
        now = until;
    }
}

#[test]
fn the_pause_is_at_least_what_the_processor_asks_for() {
    let start = Instant::now();
    let breaker = Breaker::new(start);
    let asked = Health::Failing {
        retry_after: Some(seconds(7)),
    };
    for _ in 0..20 {
        call(&breaker, asked, start);
    }
    let until = start + seconds(7);
    assert_eq!(breaker.state(start), State::Open { until });
}

#[test]
fn a_probe_that_is_dropped_lets_another_one_out() {
    let start = Instant::now();
    let breaker = opened(start);
    let later = start + seconds(1);
    drop(breaker.admit(later).unwrap());
    assert_eq!(breaker.state(later), State::HalfOpen);
    call(&breaker, Health::Healthy, later);
    assert_eq!(breaker.state(later), State::Closed);
}

#[test]
fn calls_that_come_home_late_do_not_judge_the_probe() {
    let start = Instant::now();
    let breaker = Breaker::new(start);
    let late = breaker.admit(start).unwrap();
    let later_still = breaker.admit(start).unwrap();
    for _ in 0..20 {
        call(&breaker, FAILING, start);
    }
    late.report(Health::Healthy, start);
    assert!(matches!(breaker.state(start), State::Open { .. }));
    let now = start + seconds(1);
    let probe = breaker.admit(now).unwrap();
    later_still.report(FAILING, now);
    probe.report(Health::Healthy, now);
    assert_eq!(breaker.state(now), State::Closed);
}

#[test]
fn the_longest_wait_doubles_from_200_milliseconds_to_five_minutes() {
    let longest = |tries: u32| {
        (0..4_000_u64)
            .map(|n| backoff(tries, n * 77_777_777_777, None))
            .max()
            .unwrap()
    };
    for (tries, ceiling) in [
        (0, 200),
        (1, 200),
        (2, 400),
        (3, 800),
        (4, 1600),
        (12, 300_000),
        (u32::MAX, 300_000),
    ] {
        let ceiling = Duration::from_millis(ceiling);
        let longest = longest(tries);
        assert!(
            longest <= ceiling && longest > ceiling * 9 / 10,
            "{tries}: {longest:?}"
        );
    }
}

proptest! {
    #[test]
    fn the_jitter_comes_on_top_of_what_stripe_asks_for(tries in 0..40_u32, random: u64, asked in 0..600_u64) {
        let wait = backoff(tries, random, Some(seconds(asked)));
        prop_assert!(wait >= seconds(asked.min(300)));
        prop_assert!(wait <= seconds(asked.min(300)) + seconds(300));
    }
}

#[test]
fn one_refusal_of_the_key_opens_it_until_a_probe_succeeds() {
    let start = Instant::now();
    let breaker = Breaker::new(start);
    call(&breaker, Health::Healthy, start);
    call(&breaker, Health::KeyRefused, start);
    assert!(breaker.key_refused());
    assert_eq!(breaker.admit(start).unwrap_err().until, start + seconds(1));
    call(&breaker, Health::KeyRefused, start + seconds(1));
    assert_eq!(
        breaker.admit(start + seconds(2)).unwrap_err().until,
        start + seconds(3)
    );
    call(&breaker, Health::Healthy, start + seconds(3));
    assert!(!breaker.key_refused());
    assert_eq!(breaker.state(start + seconds(3)), State::Closed);
}
