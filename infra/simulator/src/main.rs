//! The Stripe simulator as a process of its own.

use clap::Parser;
use mimalloc::MiMalloc;
use stripe_simulator::{Settings, check_health, serve, stop_signal};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

// A request allocates many small strings; glibc's allocator costs 12 to 20 µs more per payment.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

// One thread: a request takes microseconds of CPU and the rest is waiting for sockets, so that a second thread would
// mostly be woken by the first one and wake it again.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    dotenvy::dotenv().ok();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::parse();
    if settings.healthcheck {
        return check_health(settings.addr).await;
    }
    let listener = TcpListener::bind(settings.addr).await;
    let listener =
        listener.map_err(|error| anyhow::anyhow!("cannot listen on {}: {error}", settings.addr))?;
    serve(settings.into(), listener, stop_signal()?).await
}
