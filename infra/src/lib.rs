//! The infrastructure of all services: environment variables, logs, metrics, traces, HTTP, Postgres, Redis and Kafka.
//!
//! This crate implements protocols, not payments, and imports no other crate of this project. Only this crate reads the
//! environment.

pub mod breaker;
pub mod client_ip;
mod command_line;
pub mod crash;
pub mod env;
pub mod health;
pub mod http;
pub mod id;
pub mod kafka;
pub mod limit;
pub mod metrics;
pub mod outage;
pub mod postgres;
mod process_name;
pub mod redis;
pub mod shutdown;
pub mod storable;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;

use std::net::SocketAddr;
use std::process::ExitCode;

use command_line::Options;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use env::Env;
pub use process_name::process_name;

/// Services make many small allocations on several threads, which take a fifth of their time with the system's allocator.
// A test of this crate links it twice, and only one allocator is allowed.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs one service from its command line to its end; a service's `main` is a call of this function.
///
/// It starts logging, and then `configure` reads the environment. If that finds faults, all are printed to stderr and the
/// process exits with 1, before it binds or connects to anything. `serve` gets the configuration, a listener on `address`
/// and a token that is cancelled at SIGTERM or Ctrl-C; an error from it is logged, and the process exits with 1.
///
/// `--help` shows `about` and ends the process with 0, an unknown argument ends it with 2, and `--healthcheck` asks the
/// instance that listens on `address` and ends with 0 or 1.
pub fn main<C, F, R>(
    service: &'static str,
    about: &'static str,
    configure: impl FnOnce(&mut Env) -> C,
    address: impl FnOnce(&C) -> SocketAddr,
    serve: F,
) -> ExitCode
where
    F: FnOnce(C, TcpListener, CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let options = Options::read(service, about);
    if options.healthcheck.is_none() {
        telemetry::start(service);
    }
    let mut env = Env::load();
    env.read_early();
    shutdown::read_notice(&env);
    let config = configure(&mut env);
    if let Err(faults) = env.finish() {
        eprintln!("{service} cannot start:\n{faults}");
        return ExitCode::FAILURE;
    }
    let address = address(&config);
    if let Some(probe) = options.healthcheck {
        return probe.run(service, address);
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
    let ended = runtime.block_on(async {
        let listener = http::bind(address).await?;
        serve(config, listener, shutdown::signal()).await
    });
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
