//! What happens outside of Stripe: a bank answers, a customer authenticates, an authorization expires.

pub(crate) mod authentication;
pub(crate) mod cancellation;
pub(crate) mod charges;
pub(crate) mod consequences;
pub(crate) mod disputes;
pub(crate) mod holds;
pub(crate) mod page;
pub(crate) mod passage;
pub(crate) mod refunds;
