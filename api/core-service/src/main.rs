//! The core service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::main(
        "core-service",
        core_service::Config::from_env,
        |config, shutdown| async move {
            let listener = infra::http::bind(config.address).await?;
            core_service::serve(config, listener, shutdown).await
        },
    )
}
