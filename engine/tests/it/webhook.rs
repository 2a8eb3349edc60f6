//! Webhooks: whose they are, what they say, what they mean.

mod meaning;
mod parse;
mod signature;
mod source;
