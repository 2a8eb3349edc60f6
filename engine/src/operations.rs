//! What operators see and do: jobs, Stripe's webhooks, deliveries, and the timeline of a payment.

mod act;
mod changes;
mod jobs;
mod machines;
mod queues;
mod render;
mod retry;
mod scope;
mod search;
mod timeline;
mod webhooks;

pub use crate::store::job::{JobState, UnknownState};
pub use jobs::JobFilter;
pub use render::audit_facts;
pub use scope::Scope;
pub use search::PaymentSearch;
pub use webhooks::WebhookStatus;
