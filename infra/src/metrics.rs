//! Prometheus metrics: one registry per process, served by each of its services at `/metrics`.
//!
//! To add a metric, write a static beside the code that counts, and list it in `docs/observability.md`:
//!
//! ```
//! use infra::metrics::Counters;
//!
//! static LOGINS: Counters<1> = Counters::new("pawl_logins_total", "Logins, by how they ended.", ["outcome"]);
//!
//! LOGINS.with_labels(["accepted"]).increment(1);
//! # assert!(infra::metrics::text().contains(r#"pawl_logins_total{outcome="accepted"} 1"#));
//! ```
//!
//! Names begin with `pawl_`; counters end in `_total`, durations in `_seconds`. The values of labels are `&'static str`, so
//! that no id, address or name from a request can become a label.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{Key, Label, Metadata, Recorder, with_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::RwLock;

pub use metrics::{Counter, Gauge, Histogram};

/// The upper bounds of the buckets of `_seconds` histograms.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// The upper bounds of the buckets of `_size` histograms.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// The recorder stores observations one by one and sorts them into buckets at a scrape; this often without one.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often gauges that must be read from elsewhere (a pool, a table) are read.
pub const SAMPLE: Duration = Duration::from_secs(5);

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const METADATA: Metadata<'static> = Metadata::new(module_path!(), ::metrics::Level::INFO, None);

static BUILD: Gauges<1> = Gauges::new(
    "pawl_build_info",
    "Which version runs; always 1.",
    ["version"],
);
static STARTED: Gauges<0> = Gauges::new(
    "pawl_start_time_seconds",
    "When this process started, in seconds since 1970.",
    [],
);
/// A counter for each combination of label values.
pub type Counters<const N: usize> = Family<Counter, N>;
/// A gauge for each combination of label values.
pub type Gauges<const N: usize> = Family<Gauge, N>;
/// A histogram of durations (`_seconds`) or sizes (`_size`) for each combination of label values.
pub type Histograms<const N: usize> = Family<Histogram, N>;

/// The metrics of one name, distinguished by `N` labels.
pub struct Family<M: 'static, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    register: fn(&dyn Recorder, &'static str, &'static str, &Key) -> M,
    made: RwLock<BTreeMap<[&'static str; N], &'static M>>,
}

impl<const N: usize> Family<Counter, N> {
    /// A family with this name, help text and label names.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::with(name, help, labels, |recorder, name, help, key| {
            recorder.describe_counter(name.into(), None, help.into());
            recorder.register_counter(key, &METADATA)
        })
    }
}

impl<const N: usize> Family<Gauge, N> {
    /// A family with this name, help text and label names.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::with(name, help, labels, |recorder, name, help, key| {
            recorder.describe_gauge(name.into(), None, help.into());
            recorder.register_gauge(key, &METADATA)
        })
    }
}

impl<const N: usize> Family<Histogram, N> {
    /// A family with this name (ending in `_seconds` or `_size`), help text and label names.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::with(name, help, labels, |recorder, name, help, key| {
            recorder.describe_histogram(name.into(), None, help.into());
            recorder.register_histogram(key, &METADATA)
        })
    }
}

impl<M, const N: usize> Family<M, N> {
    const fn with(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        register: fn(&dyn Recorder, &'static str, &'static str, &Key) -> M,
    ) -> Self {
        Self {
            name,
            help,
            labels,
            register,
            made: RwLock::new(BTreeMap::new()),
        }
    }

    /// The metric with these label values. Only the first call for them allocates; a hot loop keeps the result.
    pub fn with_labels(&self, values: [&'static str; N]) -> &'static M {
        let made = self.made.read();
        if let Some(number) = made.get(&values) {
            return number;
        }
        drop(made);
        registry();
        let mut made = self.made.write();
        made.entry(values).or_insert_with(|| {
            let labels: Vec<Label> = self
                .labels
                .into_iter()
                .zip(values)
                .map(|(name, value)| Label::from_static_parts(name, value))
                .collect();
            let key = Key::from_parts(self.name, labels);
            // Metrics live as long as the process, and the program itself bounds their number.
            Box::leak(Box::new(with_recorder(|recorder| {
                (self.register)(recorder, self.name, self.help, &key)
            })))
        })
    }
}

/// The page `/metrics`: all metrics of this process in Prometheus's text format.
pub fn page() -> Ready<Response> {
    ready(([(header::CONTENT_TYPE, TEXT)], text()).into_response())
}

/// The text of [`page`].
#[must_use]
pub fn text() -> String {
    registry().render()
}

/// The registry of this process, created at its first use.
fn registry() -> &'static PrometheusHandle {
    static REGISTRY: OnceLock<PrometheusHandle> = OnceLock::new();
    let mut fresh = false;
    let registry = REGISTRY.get_or_init(|| {
        fresh = true;
        install()
    });
    if fresh {
        BUILD.with_labels([env!("CARGO_PKG_VERSION")]).set(1);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        STARTED
            .with_labels([])
            .set(since.unwrap_or_default().as_secs_f64());
    }
    registry
}

fn install() -> PrometheusHandle {
    let matched = |suffix: &str| Matcher::Suffix(suffix.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(matched("_seconds"), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(matched("_size"), &SIZES))
        // It refuses only an empty list of buckets.
        .unwrap_or_default()
        .build_recorder();
    let handle = recorder.handle();
    if ::metrics::set_global_recorder(recorder).is_err() {
        tracing::error!(
            "failed to install the metrics recorder because another one is installed; /metrics stays empty"
        );
    }
    let upkeep = handle.clone();
    let thread = std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            }
        });
    if let Err(error) = thread {
        tracing::error!(%error, "failed to start the metrics thread; observations use memory until the next scrape of /metrics");
    }
    handle
}
