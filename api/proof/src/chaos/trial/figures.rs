//! The figures of a part of a trial.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::load::{Group, Seen};

/// What the clients of one group saw in a part of a trial.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Figures {
    /// Answers per second, refusals for the moment (5xx) not counted.
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Answers 5xx.
    pub(super) refused: usize,
    /// Those of them without `Retry-After`.
    pub(super) without_retry_after: usize,
    /// Requests without an answer.
    pub(super) unanswered: usize,
    /// The longest time that a client waited for any answer.
    pub(super) slowest_ms: f64,
}

impl Figures {
    /// Of the requests that a group sent between two moments.
    pub(super) fn of(seen: &[Seen], group: Group, from: Instant, until: Instant) -> Figures {
        let sent = |seen: &&Seen| seen.group == group && seen.sent >= from && seen.sent < until;
        let all: Vec<&Seen> = seen.iter().filter(sent).collect();
        let is_refusal = |seen: &&&Seen| seen.status.is_some_and(|status| status >= 500);
        let mut times: Vec<f64> = all
            .iter()
            .filter(|seen| seen.status.is_some_and(|status| status < 500))
            .map(|seen| milliseconds(seen.took))
            .collect();
        times.sort_by(f64::total_cmp);
        let seconds = (until - from).as_secs_f64();
        let refusals = || all.iter().filter(is_refusal);
        Figures {
            per_second: count(times.len()) / seconds,
            p50_ms: percentile(&times, 50),
            p99_ms: percentile(&times, 99),
            refused: refusals().count(),
            without_retry_after: refusals().filter(|seen| !seen.has_retry_after).count(),
            unanswered: all.iter().filter(|seen| seen.status.is_none()).count(),
            slowest_ms: all
                .iter()
                .map(|seen| milliseconds(seen.took))
                .fold(0.0, f64::max),
        }
    }
}

/// How many times as many, or 0 where there were none before.
pub(super) fn ratio(now: f64, before: f64) -> f64 {
    if before > 0.0 { now / before } else { 0.0 }
}

/// A count that a `f64` holds exactly.
pub(super) fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = sorted.len().saturating_mul(percent) / 100;
    let index = index.min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_counts_what_its_group_sent_in_it() {
        let start = Instant::now();
        let seen = |group, at, took, status: Option<u16>| Seen {
            group,
            sent: start + Duration::from_millis(at),
            took: Duration::from_millis(took),
            status,
            has_retry_after: status == Some(503),
        };
        let all = [
            seen(Group::Others, 10, 5, Some(201)),
            seen(Group::Others, 20, 15, Some(422)),
            seen(Group::Others, 30, 900, Some(503)),
            seen(Group::Others, 40, 700, Some(500)),
            seen(Group::Others, 50, 1000, None),
            seen(Group::Touched, 60, 5, Some(201)),
            seen(Group::Others, 2500, 5, Some(201)),
        ];
        let part = Figures::of(&all, Group::Others, start, start + Duration::from_secs(2));
        assert!((part.per_second - 1.0).abs() < 1e-9, "{part:?}");
        assert_eq!((part.refused, part.without_retry_after), (2, 1));
        assert_eq!(part.unanswered, 1);
        assert!((part.slowest_ms - 1000.0).abs() < 1e-9, "{part:?}");
        assert!((part.p99_ms - 15.0).abs() < 1e-9, "{part:?}");
    }
}
