//! The command line of a service: `--help`, `--version` and `--healthcheck`; anything else is refused.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

/// How long the service may take to answer its own health check. `/readyz` waits up to 3 s for Postgres.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The arguments of a service.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "The settings are environment variables, or lines of the file .env; .env.example describes each of them."
)]
pub(crate) struct Options {
    /// Asks the instance that listens on this service's address, over loopback, instead of starting one: exit code 0 means
    /// that it is ready for requests, or with `live` that the process answers; otherwise the exit code is 1
    #[arg(
        long,
        value_name = "PROBE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "ready"
    )]
    pub(crate) healthcheck: Option<Probe>,
}

/// What a health check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probe {
    /// `/readyz`: whether the service can do its work.
    Ready,
    /// `/livez`: whether the process runs.
    Live,
}

impl Options {
    /// Reads the arguments of this process. `--help` and `--version` end it with 0, arguments that it does not have with 2.
    pub(crate) fn read(service: &'static str, about: &'static str) -> Self {
        let command = Self::command().name(service).about(about);
        let read = Self::from_arg_matches(&command.get_matches());
        read.unwrap_or_else(|error| error.exit())
    }
}

impl Probe {
    /// Asks the service that listens on `address`, and says on stderr why it is not healthy.
    pub(crate) fn run(self, service: &str, address: SocketAddr) -> ExitCode {
        match self.ask(over_loopback(address)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{service} is not healthy: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn ask(self, address: SocketAddr) -> anyhow::Result<()> {
        let path = match self {
            Self::Ready => "readyz",
            Self::Live => "livez",
        };
        let url = format!("http://{address}/{path}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime cannot start")?;
        runtime.block_on(async {
            let http = reqwest::Client::builder()
                .no_proxy()
                .timeout(ANSWER_WITHIN)
                .build()?;
            let answer = http.get(&url).send().await?;
            let status = answer.status();
            if !status.is_success() {
                let reason = answer.text().await.unwrap_or_default();
                bail!("{url} answered {status}: {reason}");
            }
            Ok(())
        })
    }
}

/// Where this machine reaches a service that listens on `address`: one that listens everywhere is reached over loopback.
fn over_loopback(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Option<Probe>, clap::Error> {
        let arguments = ["gateway"].iter().chain(arguments);
        Options::try_parse_from(arguments).map(|options| options.healthcheck)
    }

    #[test]
    fn a_health_check_asks_for_readiness_unless_told_otherwise() {
        assert_eq!(parsed(&[]).unwrap(), None);
        assert_eq!(parsed(&["--healthcheck"]).unwrap(), Some(Probe::Ready));
        assert_eq!(parsed(&["--healthcheck=live"]).unwrap(), Some(Probe::Live));
    }

    #[test]
    fn other_arguments_are_refused() {
        for arguments in [
            ["--healtcheck"],
            ["serve"],
            ["--healthcheck=well"],
            ["-p8080"],
        ] {
            assert_eq!(
                parsed(&arguments).unwrap_err().exit_code(),
                2,
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn a_service_that_listens_everywhere_is_asked_over_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("192.0.2.1:8080", "192.0.2.1:8080"),
        ] {
            assert_eq!(
                over_loopback(listens.parse().unwrap()),
                asked.parse().unwrap()
            );
        }
    }
}
