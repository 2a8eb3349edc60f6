//! The process of the worker service.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::main(
        "worker-service",
        worker_service::Config::from_env,
        |config, shutdown| async move {
            let listener = infra::http::bind(config.address).await?;
            worker_service::serve(config, listener, shutdown).await
        },
    )
}
