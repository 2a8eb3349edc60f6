//! When a failed delivery is sent again.

use std::time::{Duration, SystemTime};

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

/// The longest pause, whatever a receiver asks for.
const LONGEST: Duration = Duration::from_hours(24);

/// The pause after a failed try that `failed` others came before, with `chance` from 0 to 1; never shorter than in the
/// schedule, nor than the receiver `asked` for if that is at most a day. `None` after the last.
pub(super) fn pause_after(failed: i32, asked: Option<Duration>, chance: f64) -> Option<Duration> {
    let pause = *PAUSES.get(usize::try_from(failed).unwrap_or(0))?;
    let pause = pause.max(asked.unwrap_or_default().min(LONGEST));
    Some((pause + pause.mul_f64(JITTER * chance)).min(LONGEST))
}

/// The pause that the value of a header `Retry-After` asks for at this moment (RFC 9110, 10.2.3): seconds, or a date in one
/// of the three forms of HTTP. `None` if it is neither; no time for a date that has passed.
pub(super) fn read_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large for the type is longer than the longest pause.
        return Some(value.parse().map_or(LONGEST, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eight_tries_and_none_comes_earlier_than_the_schedule_says() {
        let seconds = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
        for (failed, seconds) in (0..).zip(seconds) {
            let pause = Duration::from_secs(seconds);
            assert_eq!(pause_after(failed, None, 0.0), Some(pause));
            assert_eq!(pause_after(failed, None, 1.0), Some(pause.mul_f64(1.1)));
        }
        assert_eq!(pause_after(7, None, 0.5), None);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_of_up_to_a_day() {
        let after = |failed, asked, chance| {
            pause_after(failed, Some(Duration::from_secs(asked)), chance).map(|it| it.as_secs())
        };
        assert_eq!(after(0, 60, 0.0), Some(60));
        assert_eq!(after(0, 60, 1.0), Some(66));
        assert_eq!(after(1, 60, 0.0), Some(300), "the schedule is the least");
        assert_eq!(after(0, 86_400, 1.0), Some(86_400));
        assert_eq!(after(0, u64::MAX, 1.0), Some(86_400));
        assert_eq!(after(7, 60, 0.0), None, "there is no ninth try");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        let minute = Some(Duration::from_mins(1));
        for value in [
            "60",
            " 60 ",
            "0060",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read_retry_after(value, now), minute, "{value}");
        }
        let passed = read_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now);
        assert_eq!(passed, Some(Duration::ZERO));
        let huge = read_retry_after(&"9".repeat(40), now);
        assert_eq!(huge, Some(LONGEST));
        for value in [
            "",
            "-1",
            "+60",
            "1.5",
            "soon",
            "60, 60",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(read_retry_after(value, now), None, "{value}");
        }
    }
}
