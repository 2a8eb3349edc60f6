//! The infrastructure of all services: environment variables, logs, metrics, traces, HTTP, Postgres, Redis and Kafka.
//!
//! This crate implements protocols, not payments, and imports no other crate of this project. Only this crate reads the
//! environment.

pub mod breaker;
pub mod client_ip;
pub mod crash;
pub mod env;
pub mod health;
pub mod http;
pub mod id;
pub mod kafka;
pub mod limit;
pub mod metrics;
pub mod postgres;
pub mod redis;
pub mod shutdown;
pub mod storable;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

pub use env::Env;

/// Services make many small allocations on several threads, which take a fifth of their time with the system's allocator.
// A test of this crate links it twice, and only one allocator is allowed.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs one service from its environment to its end; a service's `main` is a call of this function.
///
/// It starts logging, and then `configure` reads the environment. If that finds faults, all are printed to stderr and the
/// process exits with 1, before it binds or connects to anything. `run` gets the configuration and a token that is
/// cancelled at SIGTERM or Ctrl-C; an error from it is logged, and the process exits with 1.
pub fn main<C, F, R>(
    service: &'static str,
    configure: impl FnOnce(&mut Env) -> C,
    run: F,
) -> ExitCode
where
    F: FnOnce(C, CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    telemetry::start(service);
    let mut env = Env::load();
    shutdown::read_notice(&mut env);
    let config = configure(&mut env);
    if let Err(faults) = env.finish() {
        eprintln!("{service} cannot start:\n{faults}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{service} cannot start its runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async { run(config, shutdown::signal()).await });
    // Work on blocking threads must not delay the end of the process.
    runtime.shutdown_background();
    telemetry::stop();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(
                service,
                error = format!("{error:#}"),
                "the service failed; the process exits with 1"
            );
            ExitCode::FAILURE
        }
    }
}
