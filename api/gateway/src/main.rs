//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::main(
        "gateway",
        gateway::Config::from_env,
        |config, shutdown| async move {
            let listener = infra::http::bind(config.address).await?;
            gateway::serve(config, listener, shutdown).await
        },
    )
}
