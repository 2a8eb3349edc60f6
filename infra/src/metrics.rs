//! Numbers about this process, in the form that Prometheus reads: one registry a process, served by each of its services
//! at `/metrics`.
//!
//! To add one, write a static beside the code that counts, and count; `docs/observability.md` lists it for people:
//!
//! ```
//! use infra::metrics::Counters;
//!
//! static LOGINS: Counters<1> = Counters::new("pawl_logins_total", "Logins, by how they ended.", ["outcome"]);
//!
//! LOGINS.of(["accepted"]).increment(1);
//! # assert!(infra::metrics::text().contains(r#"pawl_logins_total{outcome="accepted"} 1"#));
//! ```
//!
//! Names begin with `pawl_`; what only grows ends in `_total`, what is in seconds in `_seconds`. The values of labels are
//! `&'static str`, so that no id, address or name that somebody sent can become one.
//!

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{Key, Label, Metadata, Recorder, with_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::postgres::PgPool;
use tokio_util::sync::CancellationToken;

pub use metrics::{Counter, Gauge, Histogram};

/// The upper ends of the buckets of everything that is measured in seconds.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// The same for things that are counted together: the names end in `_size`.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// What was observed is kept one by one until it is put into its bucket: at a scrape, or this often where nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often what is known only by looking is looked at.
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
static CONNECTIONS: Gauges<2> = Gauges::new(
    "pawl_db_pool_connections",
    "Connections to Postgres that are open, by service and whether somebody uses them.",
    ["service", "state"],
);

/// A number that only grows, for each value of its labels.
pub type Counters<const N: usize> = Family<Counter, N>;
/// A number that goes up and down, for each value of its labels.
pub type Gauges<const N: usize> = Family<Gauge, N>;
/// How often something was how long (`_seconds`) or how large (`_size`), for each value of its labels.
pub type Histograms<const N: usize> = Family<Histogram, N>;

/// Numbers of one name, told apart by `N` labels.
pub struct Family<M: 'static, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    register: fn(&dyn Recorder, &'static str, &'static str, &Key) -> M,
    made: RwLock<BTreeMap<[&'static str; N], &'static M>>,
}

impl<const N: usize> Family<Counter, N> {
    /// A name, a sentence that explains it, and the names of its labels.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::with(name, help, labels, |recorder, name, help, key| {
            recorder.describe_counter(name.into(), None, help.into());
            recorder.register_counter(key, &METADATA)
        })
    }
}

impl<const N: usize> Family<Gauge, N> {
    /// A name, a sentence that explains it, and the names of its labels.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::with(name, help, labels, |recorder, name, help, key| {
            recorder.describe_gauge(name.into(), None, help.into());
            recorder.register_gauge(key, &METADATA)
        })
    }
}

impl<const N: usize> Family<Histogram, N> {
    /// A name that ends in `_seconds` or `_size`, a sentence that explains it, and the names of its labels.
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

    /// The number with these values of its labels. Without an allocation, but for the first time; a loop that is hot
    /// keeps what this returns.
    pub fn of(&self, values: [&'static str; N]) -> &'static M {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = made.get(&values) {
            return number;
        }
        drop(made);
        registry();
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.entry(values).or_insert_with(|| {
            let labels: Vec<Label> = self
                .labels
                .into_iter()
                .zip(values)
                .map(|(name, value)| Label::from_static_parts(name, value))
                .collect();
            let key = Key::from_parts(self.name, labels);
            // Numbers live as long as the process; as many as there are values that the program itself names.
            Box::leak(Box::new(with_recorder(|recorder| {
                (self.register)(recorder, self.name, self.help, &key)
            })))
        })
    }
}

/// The page `/metrics`: everything that this process counts, in Prometheus' text format.
pub fn page() -> Ready<Response> {
    ready(([(header::CONTENT_TYPE, TEXT)], text()).into_response())
}

/// What [`page`] shows.
#[must_use]
pub fn text() -> String {
    registry().render()
}

/// Tells how many connections a service's pool has, until `shutdown`.
pub fn watch_pool(service: &'static str, pool: PgPool, shutdown: CancellationToken) {
    tokio::spawn(async move {
        loop {
            let (all, idle) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(0));
            CONNECTIONS.of([service, "idle"]).set(idle);
            CONNECTIONS
                .of([service, "used"])
                .set(all.saturating_sub(idle));
            tokio::select! {
                () = tokio::time::sleep(SAMPLE) => {}
                () = shutdown.cancelled() => return,
            }
        }
    });
}

/// The registry of this process, made when it is first needed.
fn registry() -> &'static PrometheusHandle {
    static REGISTRY: OnceLock<PrometheusHandle> = OnceLock::new();
    let mut fresh = false;
    let registry = REGISTRY.get_or_init(|| {
        fresh = true;
        install()
    });
    if fresh {
        BUILD.of([env!("CARGO_PKG_VERSION")]).set(1);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        STARTED.of([]).set(since.unwrap_or_default().as_secs_f64());
    }
    registry
}

fn install() -> PrometheusHandle {
    let matched = |suffix: &str| Matcher::Suffix(suffix.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(matched("_seconds"), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(matched("_size"), &SIZES))
        // It refuses a list of buckets that is empty.
        .unwrap_or_default()
        .build_recorder();
    let handle = recorder.handle();
    if ::metrics::set_global_recorder(recorder).is_err() {
        tracing::error!("another recorder of metrics is installed: /metrics stays empty");
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
        tracing::error!(%error, "metrics are put in order only when somebody asks for them");
    }
    handle
}
