//! Writing to payments: each transaction locks streams, moves them through `step` in memory, and writes the difference
//! together with the jobs and messages that follow.
//!
//! [`advance`] decides about one request and does no I/O. [`batch`] lets requests share transactions, and holds one file
//! for each kind of request. [`fold`] is the state that a transaction works on, and [`write`] brings it from the tables
//! and back.

pub(crate) mod advance;
mod after;
pub(crate) mod batch;
mod cause;
mod check_timer;
mod fold;
mod write;

pub(crate) use after::{After, count};
pub(crate) use cause::Cause;
pub(crate) use fold::{Applied, Fold, NotApplied};
pub(crate) use write::{commit, fires_at, lock, write};
