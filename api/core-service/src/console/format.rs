//! How the pages write amounts, times and statuses.

use std::fmt;

use askama::filters::HtmlSafe;
use contracts::operations::StatusCount;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use workflows::money::Currency;

/// An amount in the currency's unit, such as `12.00 EUR`.
pub(super) fn money(amount: i64, currency: &str) -> String {
    let exponent = currency.parse::<Currency>().map_or(2, Currency::exponent);
    let code = currency.to_uppercase();
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    let unit = 10_u64.pow(exponent);
    let whole = grouped(amount / unit);
    if exponent == 0 {
        return format!("{sign}{whole} {code}");
    }
    let width = usize::try_from(exponent).unwrap_or(2);
    format!("{sign}{whole}.{:0width$} {code}", amount % unit)
}

/// How many there are; an estimate says so.
pub(super) fn counted(count: i64, exact: bool) -> String {
    let about = if exact { "" } else { "about " };
    format!("{about}{}", grouped(count.unsigned_abs()))
}

/// The numbers of payments by status, each with the page that lists them.
pub(super) fn statuses(counts: Vec<StatusCount>) -> Vec<(Badge, String, String)> {
    let counts = counts.into_iter().map(|status| {
        let address = format!("/payments?status={}", status.status);
        (
            Badge(status.status),
            counted(status.count, status.exact),
            address,
        )
    });
    counts.collect()
}

/// A number with a thin space between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A moment, shown as the time since or until it; the exact time is its title.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) OffsetDateTime);

impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0.format(&Rfc3339).map_err(|_| fmt::Error)?;
        let distance = distance(OffsetDateTime::now_utc() - self.0);
        write!(
            out,
            "<time datetime=\"{exact}\" title=\"{exact}\">{distance}</time>"
        )
    }
}

fn distance(since: Duration) -> String {
    let seconds = since.whole_seconds();
    let length = match seconds.unsigned_abs() {
        0..=4 => return "now".to_owned(),
        it @ 5..=59 => format!("{it} s"),
        it @ 60..=3_599 => format!("{} min", it / 60),
        it @ 3_600..=172_799 => format!("{} h", it / 3_600),
        it => format!("{} d", it / 86_400),
    };
    if seconds < 0 {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// A status or a state with the colour of its meaning.
#[derive(Clone, Debug)]
pub(super) struct Badge(pub(super) String);

impl HtmlSafe for Badge {}

impl fmt::Display for Badge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: String = self
            .0
            .chars()
            .filter(|it| it.is_ascii_alphanumeric() || *it == '_')
            .collect();
        let label = name.trim_start_matches("local_").replace('_', " ");
        write!(
            out,
            "<span class=\"badge {}\">{label}</span>",
            meaning(&name)
        )
    }
}

/// What a status means to a person: `good`, `bad`, `attention`, `busy` or `quiet`.
pub(super) fn meaning(status: &str) -> &'static str {
    match status {
        "succeeded" | "captured" | "delivered" | "done" | "applied" | "won" | "enabled" => "good",
        "failed" | "dead" | "local_rejected" | "not_understood" | "lost" => "bad",
        "requires_action"
        | "requires_capture"
        | "requires_payment_method"
        | "retrying"
        | "unknown"
        | "again"
        | "refused"
        | "disabled"
        | "needs_response" => "attention",
        "processing"
        | "running"
        | "queued"
        | "pending"
        | "received"
        | "started"
        | "requires_confirmation"
        | "local_created"
        | "local_requested" => "busy",
        _ => "quiet",
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::{Badge, distance, money};

    #[test]
    fn an_amount_is_written_in_the_unit_of_its_currency() {
        for (amount, currency, expected) in [
            (1_099, "eur", "10.99 EUR"),
            (5, "usd", "0.05 USD"),
            (123_456_789, "eur", "1\u{202f}234\u{202f}567.89 EUR"),
            (500, "jpy", "500 JPY"),
            (-5_000, "kwd", "-5.000 KWD"),
        ] {
            assert_eq!(money(amount, currency), expected);
        }
    }

    #[test]
    fn a_time_is_told_by_its_distance() {
        for (seconds, expected) in [
            (2, "now"),
            (59, "59 s ago"),
            (90, "1 min ago"),
            (-7_200, "in 2 h"),
            (259_200, "3 d ago"),
        ] {
            assert_eq!(distance(Duration::seconds(seconds)), expected);
        }
    }

    #[test]
    fn a_badge_holds_no_markup_of_its_status() {
        let badge = Badge("<script>dead".to_owned()).to_string();
        assert_eq!(badge, "<span class=\"badge quiet\">scriptdead</span>");
    }
}
