//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::main(
        "gateway",
        "The public REST API for merchants, and the endpoint that receives Stripe's webhooks",
        gateway::Config::from_env,
        |config| config.address,
        gateway::serve,
    )
}
