//! The figures of a benchmark: medians of its rounds, as a table and as JSON.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table};
use hdrhistogram::Histogram;
use serde::Serialize;

/// The measurements of one run, saturated or at low load.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) payments_per_second: f64,
    /// Deliveries that the endpoint received, if there is one.
    pub(crate) deliveries_per_second: f64,
    pub(crate) latency: Latency,
    /// Microseconds of CPU per payment, by process.
    pub(crate) cpu_us_per_payment: BTreeMap<String, f64>,
    /// The part of the machine's CPU time that nobody used, from 0 to 1.
    pub(crate) idle_share: f64,
}

impl Measured {
    /// Microseconds of CPU per payment of what an operator of Pawl runs for it: gateway, workers and Postgres.
    fn own(&self) -> f64 {
        let own = |name: &str| {
            ["gateway", "worker", "postgres"]
                .iter()
                .any(|it| name.starts_with(it))
        };
        self.cpu_us_per_payment
            .iter()
            .filter(|(name, _)| own(name))
            .map(|(_, microseconds)| microseconds)
            .sum()
    }
}

/// Percentiles in milliseconds: until the answer to POST, and until `succeeded` was read from Kafka.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "these are the keys of the JSON file, units last"
)]
pub(crate) struct Latency {
    pub(crate) post_p50_ms: f64,
    pub(crate) post_p99_ms: f64,
    pub(crate) done_p50_ms: f64,
    pub(crate) done_p99_ms: f64,
}

impl Latency {
    /// Of two histograms in microseconds.
    pub(crate) fn new(post: &Histogram<u64>, done: &Histogram<u64>) -> Latency {
        Latency {
            post_p50_ms: milliseconds(post, 0.5),
            post_p99_ms: milliseconds(post, 0.99),
            done_p50_ms: milliseconds(done, 0.5),
            done_p99_ms: milliseconds(done, 0.99),
        }
    }
}

/// One round: the yardstick, the system saturated, the system at low load.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) naive_transitions_per_second: f64,
    /// Microseconds of Postgres' CPU; unknown when it runs on another machine.
    pub(crate) postgres_us_per_naive_transition: Option<f64>,
    pub(crate) saturated: Measured,
    pub(crate) low: Measured,
}

impl Round {
    fn postgres_ratio(&self) -> Option<f64> {
        let payment = self.saturated.cpu_us_per_payment.get("postgres")?;
        Some(payment / self.postgres_us_per_naive_transition?)
    }

    fn figures(&self) -> RoundFigures {
        RoundFigures {
            payments_per_second: self.saturated.payments_per_second,
            naive_transitions_per_second: self.naive_transitions_per_second,
            ratio: self.saturated.payments_per_second / self.naive_transitions_per_second,
            own: self.saturated.own(),
            postgres_ratio: self.postgres_ratio(),
            idle_share: self.saturated.idle_share,
        }
    }
}

/// The figures of one round at saturation, with the meanings that they have in [`Report`].
#[derive(Debug, Serialize)]
pub(crate) struct RoundFigures {
    payments_per_second: f64,
    naive_transitions_per_second: f64,
    ratio: f64,
    own: f64,
    postgres_ratio: Option<f64>,
    idle_share: f64,
}

/// The circumstances of a measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    pub(crate) commit: String,
    pub(crate) machine: String,
    pub(crate) build: &'static str,
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) workers: usize,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    pub(crate) low_load_per_second: u64,
    /// Whether the load's account had a webhook endpoint.
    pub(crate) endpoint: bool,
}

/// The medians over all rounds. The latencies at the top are those at low load.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) payments_per_second: f64,
    pub(crate) naive_transitions_per_second: f64,
    pub(crate) ratio: f64,
    /// Microseconds of CPU per payment of gateway, workers and Postgres together.
    pub(crate) own: f64,
    /// Postgres' CPU per payment ÷ its CPU per naive transition; unknown when Postgres runs on another machine.
    pub(crate) postgres_ratio: Option<f64>,
    /// The part of the machine's CPU time that nobody used at saturation, from 0 to 1.
    pub(crate) idle_share: f64,
    /// At saturation; zero without an endpoint.
    pub(crate) deliveries_per_second: f64,
    #[serde(flatten)]
    pub(crate) low_load: Latency,
    pub(crate) cpu_us_per_payment: BTreeMap<String, f64>,
    pub(crate) saturated: Latency,
    /// The single rounds, in their order.
    pub(crate) rounds: Vec<RoundFigures>,
    pub(crate) setting: Setting,
}

impl Report {
    /// The medians of the rounds.
    pub(crate) fn new(rounds: &[Round], setting: Setting) -> Report {
        let payments_per_second = median(rounds, |round| round.saturated.payments_per_second);
        let naive_transitions_per_second =
            median(rounds, |round| round.naive_transitions_per_second);
        let names = rounds
            .iter()
            .flat_map(|round| round.saturated.cpu_us_per_payment.keys());
        let cpu_us_per_payment = names
            .map(|name| {
                let of_one = |round: &Round| {
                    round
                        .saturated
                        .cpu_us_per_payment
                        .get(name)
                        .copied()
                        .unwrap_or_default()
                };
                (name.clone(), median(rounds, of_one))
            })
            .collect();
        Report {
            payments_per_second,
            naive_transitions_per_second,
            ratio: median(rounds, |round| {
                round.saturated.payments_per_second / round.naive_transitions_per_second
            }),
            own: median(rounds, |round| round.saturated.own()),
            postgres_ratio: rounds
                .iter()
                .map(Round::postgres_ratio)
                .collect::<Option<Vec<f64>>>()
                .map(|ratios| median(&ratios, |ratio| *ratio)),
            idle_share: median(rounds, |round| round.saturated.idle_share),
            rounds: rounds.iter().map(Round::figures).collect(),
            deliveries_per_second: median(rounds, |round| round.saturated.deliveries_per_second),
            low_load: median_latency(rounds, |round| round.low.latency),
            saturated: median_latency(rounds, |round| round.saturated.latency),
            cpu_us_per_payment,
            setting,
        }
    }

    /// The report for people.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
        table.set_header(["", "low load", "saturated"]);
        let low = format!("{} (given)", self.setting.low_load_per_second);
        table.add_row(["payments/s", &low, &whole(self.payments_per_second)]);
        let rows: [Row; 4] = [
            ("POST answered, p50 ms", |latency| latency.post_p50_ms),
            ("POST answered, p99 ms", |latency| latency.post_p99_ms),
            ("succeeded on Kafka, p50 ms", |latency| latency.done_p50_ms),
            ("succeeded on Kafka, p99 ms", |latency| latency.done_p99_ms),
        ];
        for (name, of) in rows {
            table.add_row([
                name,
                &tenths(of(&self.low_load)),
                &tenths(of(&self.saturated)),
            ]);
        }
        for (process, microseconds) in &self.cpu_us_per_payment {
            table.add_row([
                &format!("CPU µs/payment, {process}"),
                "",
                &whole(*microseconds),
            ]);
        }
        table.add_row([
            "CPU µs/payment, all",
            "",
            &whole(self.cpu_us_per_payment.values().sum()),
        ]);
        table.add_row([
            "CPU µs/payment, gateway + worker + postgres",
            "",
            &whole(self.own),
        ]);
        table.add_row(["CPU not used, %", "", &whole(self.idle_share * 100.0)]);
        table.add_row([
            "naive transitions/s",
            "",
            &whole(self.naive_transitions_per_second),
        ]);
        if self.setting.endpoint {
            table.add_row(["deliveries/s", "", &whole(self.deliveries_per_second)]);
        }
        table.add_row(["ratio", "", &format!("{:.2}", self.ratio)]);
        if let Some(ratio) = self.postgres_ratio {
            table.add_row(["CPU of Postgres, in naive transitions", "", &tenths(ratio)]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

/// The name of a row, and its figure.
type Row = (&'static str, fn(&Latency) -> f64);

fn median_latency(rounds: &[Round], of: impl Fn(&Round) -> Latency) -> Latency {
    Latency {
        post_p50_ms: median(rounds, |round| of(round).post_p50_ms),
        post_p99_ms: median(rounds, |round| of(round).post_p99_ms),
        done_p50_ms: median(rounds, |round| of(round).done_p50_ms),
        done_p99_ms: median(rounds, |round| of(round).done_p99_ms),
    }
}

/// The middle of the values, or the mean of the two in the middle; zero of nothing.
pub(super) fn median<R>(rounds: &[R], of: impl Fn(&R) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

fn milliseconds(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    let microseconds = u32::try_from(histogram.value_at_quantile(quantile)).unwrap_or(u32::MAX);
    f64::from(microseconds) / 1_000.0
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

fn tenths(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(payments_per_second: f64) -> Round {
        let latency = Latency {
            post_p50_ms: 1.0,
            post_p99_ms: 2.0,
            done_p50_ms: 3.0,
            done_p99_ms: 4.0,
        };
        let measured = Measured {
            payments_per_second,
            deliveries_per_second: 0.0,
            latency,
            cpu_us_per_payment: BTreeMap::from(
                [
                    ("gateway", 50.0),
                    ("worker-2", 70.0),
                    ("postgres", 300.0),
                    ("kafka", 100.0),
                ]
                .map(|(name, microseconds)| (name.to_owned(), microseconds)),
            ),
            idle_share: 0.1,
        };
        Round {
            naive_transitions_per_second: 1_000.0,
            postgres_us_per_naive_transition: Some(150.0),
            saturated: measured.clone(),
            low: measured,
        }
    }

    fn setting() -> Setting {
        Setting {
            commit: "abc".into(),
            machine: "m".into(),
            build: "release",
            rounds: 3,
            seconds: 10,
            workers: 1,
            connections: 64,
            in_flight: 512,
            low_load_per_second: 200,
            endpoint: false,
        }
    }

    #[test]
    fn the_report_holds_medians_and_the_contracts_keys() {
        let report = Report::new(&[round(900.0), round(100.0), round(600.0)], setting());
        assert!((report.ratio - 0.6).abs() < 1e-9);
        let json = serde_json::to_value(&report).unwrap();
        for key in [
            "payments_per_second",
            "naive_transitions_per_second",
            "ratio",
            "own",
            "postgres_ratio",
            "idle_share",
            "post_p50_ms",
            "post_p99_ms",
            "done_p50_ms",
            "done_p99_ms",
        ] {
            assert!(json[key].is_number(), "{key}");
        }
        assert!(json["cpu_us_per_payment"]["gateway"].is_number());
        assert!((report.own - 420.0).abs() < 1e-9);
        assert!((report.postgres_ratio.unwrap() - 2.0).abs() < 1e-9);
        assert!((report.rounds[1].ratio - 0.1).abs() < 1e-9);
    }

    #[test]
    fn an_even_number_of_rounds_takes_the_mean_of_the_middle() {
        assert!(
            (median(&[round(1.0), round(3.0)], |round| round
                .saturated
                .payments_per_second)
                - 2.0)
                .abs()
                < 1e-9
        );
    }
}
