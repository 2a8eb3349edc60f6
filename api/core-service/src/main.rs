//! The core service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::main(
        "core-service",
        "The API of operators",
        core_service::Config::from_env,
        |config| config.address,
        core_service::serve,
    )
}
