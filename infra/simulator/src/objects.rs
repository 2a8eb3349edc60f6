//! Stripe's objects as they are stored and as Stripe shows them.

pub(crate) mod charge;
pub(crate) mod dispute;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod fraud_warning;
pub(crate) mod intent;
pub(crate) mod payment_method;
pub(crate) mod refund;
pub(crate) mod review;
