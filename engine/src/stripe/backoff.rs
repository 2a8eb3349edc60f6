//! The back-off: how long a failed call waits before its next try.

use std::time::Duration;

/// The longest wait of the first try; each further try doubles it. Short, because a dropped answer is the most common failure and the same key finds it at once.
const FIRST: Duration = Duration::from_millis(200);

/// No wait grows beyond this, whatever the number of tries or the `Retry-After` header.
const LONGEST: Duration = Duration::from_mins(5);

/// Returns the wait before the next try, with full jitter: anything from zero up to 200 ms doubled for each try made, at most five minutes.
///
/// `tries` counts the tries already made; `random` is a random number from the caller. A `Retry-After` of the
/// processor (at most five minutes of it) is waited out first, and the jitter comes on top, so that callers that were given the same second do not all return in it.
#[must_use]
pub fn backoff(tries: u32, random: u64, retry_after: Option<Duration>) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    let ceiling = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
    let jitter = Duration::from_nanos(random % nanos.saturating_add(1));
    retry_after.unwrap_or_default().min(LONGEST) + jitter
}
