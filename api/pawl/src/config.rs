//! `pawl config check`: validates the environment and `.env` without starting anything.

mod trial;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use infra::Env;
use infra::env::Finding;
use infra::env::variable::{Program, Unset};
use serde::Serialize;

use crate::operate::show::{Form, Output};
use crate::{output, table};

/// Exit code if every value is right but a server could not be used.
const UNREACHABLE: u8 = 2;

/// Validates the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Check),
}

/// Checks every variable of the services, from the environment and `.env`, and tries the servers that they name.
///
/// Ends with 0 if everything is right, 1 if a value is wrong or missing, 2 if only a server could not be used.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A service whose variables are checked; may be given several times. Without it, the four services of production.
    #[arg(long, value_enum)]
    service: Vec<CheckedProgram>,
    /// Checks the values only, and connects to nothing.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CheckedProgram {
    Gateway,
    AuthService,
    CoreService,
    WorkerService,
    StripeSimulator,
}

impl CheckedProgram {
    const fn program(self) -> Program {
        match self {
            Self::Gateway => Program::Gateway,
            Self::AuthService => Program::Auth,
            Self::CoreService => Program::Core,
            Self::WorkerService => Program::Worker,
            Self::StripeSimulator => Program::Simulator,
        }
    }
}

/// What `-o json` prints.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    variables: Vec<Row>,
    /// Every fault, also those of several variables together.
    faults: Vec<String>,
    trials: Vec<trial::Trial>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    services: Vec<&'static str>,
    /// `(set)` for a secret; the default if the variable is unset and has one.
    value: Option<String>,
    is_set: bool,
    fault: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    let Command::Check(options) = command;
    let mut programs: Vec<Program> = options.service.iter().map(|it| it.program()).collect();
    if programs.is_empty() {
        programs = Program::SERVICES.into();
    }
    let mut env = Env::load();
    let variables = env.review(&programs).into_iter().map(row).collect();
    if programs.contains(&Program::Auth) {
        auth_service::Config::from_env(&mut env);
    }
    #[cfg(feature = "dev")]
    if programs.contains(&Program::Gateway) {
        gateway::Limits::from_env(&mut env);
    }
    let servers = trial::Servers::of(&env, &programs);
    let faults: Vec<String> = match env.finish() {
        Ok(()) => Vec::new(),
        Err(faults) => faults.iter().map(str::to_owned).collect(),
    };
    let trials = if options.offline {
        Vec::new()
    } else {
        servers.attempt().await
    };
    let report = Report {
        ok: faults.is_empty() && trials.iter().all(|trial| trial.ok),
        variables,
        faults,
        trials,
    };
    print(&report, options.output)?;
    Ok(if !report.faults.is_empty() {
        ExitCode::FAILURE
    } else if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNREACHABLE)
    })
}

fn row(finding: Finding) -> Row {
    let variable = finding.variable;
    let default = match variable.unset {
        Unset::Value(value) => Some(value.to_owned()),
        Unset::Refused | Unset::Means(_) => None,
    };
    Row {
        name: variable.name,
        services: variable.readers.iter().map(|it| it.name()).collect(),
        is_set: finding.value.is_some(),
        value: finding.value.or(default),
        fault: finding.fault,
    }
}

fn print(report: &Report, output: Output) -> Result<()> {
    if output.form() == Form::Json {
        output::line(serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let mut rows = table::new(&["variable", "value", "is", "read by"]);
    for row in &report.variables {
        let state = match (&row.fault, row.is_set) {
            (Some(_), true) => "wrong",
            (Some(_), false) => "missing",
            (None, true) => "right",
            (None, false) => "unset",
        };
        let value = row.value.clone().unwrap_or_default();
        rows.add_row([row.name, &value, state, &row.services.join(" ")]);
    }
    table::print(&rows);
    if !report.trials.is_empty() {
        let mut rows = table::new(&["tried", "is", "what was found"]);
        for trial in &report.trials {
            let state = if trial.ok { "right" } else { "wrong" };
            rows.add_row([trial.server, state, &trial.found]);
        }
        output::line("");
        table::print(&rows);
    }
    output::line("");
    for fault in &report.faults {
        output::line(format!("- {fault}"));
    }
    output::line(if report.ok {
        "The configuration is right."
    } else if report.faults.is_empty() {
        "Every value is right, but a server cannot be used."
    } else {
        "The configuration is wrong: a service with a fault above does not start."
    });
    Ok(())
}
