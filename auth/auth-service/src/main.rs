//! The auth service as a process of its own; everything it does is in the library.

use std::process::ExitCode;

use auth_service::Config;

fn main() -> ExitCode {
    infra::main(
        "auth-service",
        Config::from_env,
        |config, shutdown| async move {
            let listener = infra::http::bind(config.address).await?;
            auth_service::serve(config, listener, shutdown).await
        },
    )
}
