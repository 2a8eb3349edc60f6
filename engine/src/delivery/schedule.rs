//! When a failed delivery is sent again.

use std::time::Duration;

/// Between the end of one try and the next; the first is made at once.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];

/// The most that chance adds to a pause, so that deliveries that failed together are not sent again together.
const JITTER: f64 = 0.1;

/// The pause after a failed try that `failed` others came before, with `chance` from 0 to 1; never shorter than in the
/// schedule. `None` after the last.
pub(super) fn pause_after(failed: i32, chance: f64) -> Option<Duration> {
    let pause = PAUSES.get(usize::try_from(failed).unwrap_or(0))?;
    Some(*pause + pause.mul_f64(JITTER * chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eight_tries_and_none_comes_earlier_than_the_schedule_says() {
        let seconds = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
        for (failed, seconds) in (0..).zip(seconds) {
            let pause = Duration::from_secs(seconds);
            assert_eq!(pause_after(failed, 0.0), Some(pause));
            assert_eq!(pause_after(failed, 1.0), Some(pause.mul_f64(1.1)));
        }
        assert_eq!(pause_after(7, 0.5), None);
    }
}
