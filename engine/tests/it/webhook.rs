//! Webhooks: whose they are, what they say, what they mean.

mod foreign;
mod meaning;
mod parse;
mod results;
mod signature;
mod source;
