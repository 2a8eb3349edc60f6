//! The figures of `pawl bench --http`: medians of its rounds, as a table and as JSON.

use comfy_table::Table;
use serde::Serialize;

use super::report::median;

/// Requests per second, and the server's CPU time for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) cpu_us: f64,
}

/// One round.
pub(super) struct HttpRound {
    pub(super) hello: Rate,
    pub(super) unlimited: Rate,
    pub(super) limited: Rate,
    pub(super) decisions: f64,
    pub(super) logins: f64,
}

/// The circumstances of a measurement.
#[derive(Debug, Serialize)]
pub(super) struct HttpSetting {
    pub(super) commit: String,
    pub(super) machine: String,
    pub(super) build: &'static str,
    pub(super) rounds: usize,
    pub(super) seconds: u64,
    pub(super) connections: usize,
    pub(super) threads: &'static str,
    pub(super) argon2: &'static str,
}

/// The medians over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct HttpReport {
    bare_hello_per_second: f64,
    cached_get_per_second: f64,
    cached_get_limited_per_second: f64,
    ratio: f64,
    ratio_limited: f64,
    cpu_us_per_hello: f64,
    cpu_us_per_cached_get: f64,
    cpu_us_per_cached_get_limited: f64,
    limiter_decisions_per_second: f64,
    logins_per_second: f64,
    setting: HttpSetting,
}

impl HttpReport {
    /// The medians of the rounds.
    pub(super) fn new(rounds: &[HttpRound], setting: HttpSetting) -> HttpReport {
        HttpReport {
            bare_hello_per_second: median(rounds, |round| round.hello.per_second),
            cached_get_per_second: median(rounds, |round| round.unlimited.per_second),
            cached_get_limited_per_second: median(rounds, |round| round.limited.per_second),
            ratio: median(rounds, |round| {
                round.unlimited.per_second / round.hello.per_second
            }),
            ratio_limited: median(rounds, |round| {
                round.limited.per_second / round.hello.per_second
            }),
            cpu_us_per_hello: median(rounds, |round| round.hello.cpu_us),
            cpu_us_per_cached_get: median(rounds, |round| round.unlimited.cpu_us),
            cpu_us_per_cached_get_limited: median(rounds, |round| round.limited.cpu_us),
            limiter_decisions_per_second: median(rounds, |round| round.decisions),
            logins_per_second: median(rounds, |round| round.logins),
            setting,
        }
    }

    /// The report for people.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
        table.set_header(["", "per second", "of a bare hello", "CPU µs of the server"]);
        for (name, per_second, ratio, cpu) in [
            (
                "axum, bare hello",
                self.bare_hello_per_second,
                1.0,
                self.cpu_us_per_hello,
            ),
            (
                "cached GET, limits off",
                self.cached_get_per_second,
                self.ratio,
                self.cpu_us_per_cached_get,
            ),
            (
                "cached GET, limited",
                self.cached_get_limited_per_second,
                self.ratio_limited,
                self.cpu_us_per_cached_get_limited,
            ),
        ] {
            table.add_row([
                name,
                &format!("{per_second:.0}"),
                &format!("{ratio:.2}"),
                &format!("{cpu:.1}"),
            ]);
        }
        table.add_row([
            "limiter decisions",
            &format!("{:.0}", self.limiter_decisions_per_second),
            "",
            "",
        ]);
        table.add_row(["logins", &format!("{:.1}", self.logins_per_second), "", ""]);
        table.to_string()
    }
}
