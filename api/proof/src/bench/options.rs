//! The options of `pawl bench`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser as _;

/// Measures whole payments per second, latencies, CPU per payment, and the ratio to the database's own limit.
///
/// Starts gateway, auth service, workers and simulator as processes of their own (build them with --release first), on a
/// private Postgres, Redis and Kafka, or on those of `DATABASE_URL`, `REDIS_URL` and `KAFKA_BROKERS`.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub struct BenchOptions {
    /// Writes the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// How often everything is measured; the figures are medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) rounds: u8,
    /// How long each part of a round is measured.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seconds: u64,
    /// Worker processes.
    #[arg(long, default_value_t = 1)]
    pub(super) workers: usize,
    /// Connections of the load generator.
    #[arg(long, default_value_t = 64)]
    pub(super) connections: usize,
    /// At saturation, payments in progress at any moment.
    #[arg(long, default_value_t = 512)]
    pub(super) in_flight: usize,
    /// Registers a webhook endpoint, so that an event of each payment is delivered to a merchant too.
    #[arg(long)]
    pub(super) endpoint: bool,
    /// Measures the HTTP services instead of payments: cached reads beside a bare axum, the rate limiter, logins.
    #[arg(long, alias = "doors")]
    pub(super) http: bool,
    /// Sends 200 payments a second for so many minutes instead, and reports memory and table sizes minute by minute.
    #[arg(long, value_name = "MINUTES", conflicts_with = "http", value_parser = clap::value_parser!(u64).range(2..))]
    pub(super) soak: Option<u64>,
    /// Measures the pages of the console and the lists of the operations API instead, with much data: p95 of each.
    #[arg(long, conflicts_with_all = ["http", "soak"])]
    pub(super) console: bool,
    /// With --console, requests for each address.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub(super) requests: usize,
    /// With --console, invented payments.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) payments: u32,
    /// With --console, their jobs.
    #[arg(long, default_value_t = 100_000)]
    pub(super) jobs: u32,
    /// Measures a debug build; its figures say nothing about Pawl.
    #[arg(long)]
    pub(super) allow_debug: bool,
}
