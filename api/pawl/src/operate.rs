//! What operators do from a terminal, with the rights of the database's owner: jobs, queues, payments and webhooks.

mod engine;
pub(crate) mod jobs;
pub(crate) mod payments;
mod preview;
pub(crate) mod queues;
pub(crate) mod show;
pub(crate) mod webhooks;
