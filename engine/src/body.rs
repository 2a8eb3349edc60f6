//! From bytes to a valid request: JSON of the right type, without card data, that keeps the rules of each field. The gateway
//! reads bodies of HTTP requests with it, and the consumer of commands those of messages.

mod card;
mod charge;
mod check;
mod json;
mod request;
#[cfg(test)]
mod tests;
mod webhook_endpoint;

pub(crate) use card::is_in as is_card_in;
pub use check::{Checked, check_text, money, sentence};
pub use json::parse;
pub use request::{body_hash, check_key, new_payment};
