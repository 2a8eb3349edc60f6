//! Proofs of Pawl from outside: its real processes under load, under faults and under attack.
//!
//! `bench` measures, `chaos` judges whether anything was lost, `attack` compares answers with the security contract;
//! `fleet` starts and stops the processes for all three.

pub mod attack;
pub mod bench;
pub mod chaos;
pub mod fleet;
mod output;
