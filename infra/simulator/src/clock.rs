//! The time as Stripe writes it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch by the machine's clock, from which the simulator's own may differ: see `Store::now`.
pub(crate) fn now() -> i64 {
    now_millis() / 1000
}

/// Milliseconds since the epoch by the machine's clock.
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or_default()
    })
}

/// Formats seconds since the epoch as RFC 3339, `2026-01-28T09:30:00.000Z`.
pub(crate) fn timestamp(seconds: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds);
    let time = time.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = time.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}.000Z", time.date())
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn a_timestamp_has_date_time_and_zone() {
        assert_eq!(timestamp(1_769_592_605), "2026-01-28T09:30:05.000Z");
    }
}
