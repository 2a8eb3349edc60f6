//! From bytes to a valid request: JSON of the right type, without card data, that keeps the rules of each field.

mod card;
mod charge;
mod check;
mod json;
#[cfg(test)]
mod tests;

pub(crate) use check::{Checked, check_text, money, sentence};
pub(crate) use json::parse;
