//! The routes of operators, one file for each kind of thing.

pub(crate) mod act;
pub(crate) mod audit;
pub(crate) mod deliveries;
pub(crate) mod jobs;
pub(crate) mod machines;
mod moment;
pub(crate) mod payments;
pub(crate) mod queues;
pub(crate) mod reason;
pub(crate) mod webhooks;
