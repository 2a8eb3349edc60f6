//! Webhooks: whose they are, what they say, what they mean.

mod foreign;
mod meaning;
mod parse;
mod signature;
mod source;
