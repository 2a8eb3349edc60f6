//! `/v1/payment_intents`.

pub(crate) mod cancel;
pub(crate) mod capture;
pub(crate) mod confirm;
pub(crate) mod create;
pub(crate) mod read;
pub(crate) mod update;
