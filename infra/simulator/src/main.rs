//! The Stripe simulator as a process of its own.

use clap::Parser;
use stripe_simulator::{Settings, serve, stop_signal};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

// One thread: the work is microseconds of memory and much waiting for sockets, so that a second thread would mostly wake
// the first one.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    dotenvy::dotenv().ok();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::parse();
    let listener = TcpListener::bind(settings.addr).await;
    let listener =
        listener.map_err(|fault| anyhow::anyhow!("cannot listen on {}: {fault}", settings.addr))?;
    serve(settings.into(), listener, stop_signal()?).await
}
