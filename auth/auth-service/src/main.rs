//! The auth service as a process of its own; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::main(
        "auth-service",
        "Users, sessions, API keys, and the tokens that the other services accept",
        auth_service::Config::from_env,
        |config| config.address,
        auth_service::serve,
    )
}
