//! The process of the worker service.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::main(
        "worker-service",
        "Performs jobs at Stripe, applies webhooks, notifies merchants and publishes events to Kafka",
        worker_service::Config::from_env,
        |config| config.address,
        worker_service::serve,
    )
}
