//! Real processes under load: what `pawl chaos` and `pawl bench` share.

mod cpu;
mod fleet;
pub(crate) mod http;
mod layout;
mod process;
mod run;
mod servers;
mod simulator;

pub(crate) use cpu::microseconds as cpu_of;
pub(crate) use fleet::{Fleet, Options, credentials};
pub(crate) use run::{commit, run_name};
pub(crate) use servers::Sharing;
#[cfg(test)]
pub(crate) use simulator::Account;
pub(crate) use simulator::{Ledger, Simulator};
