//! From bytes to a request that may be trusted: nothing invalid passes this line.

mod card;
mod check;
mod json;
#[cfg(test)]
mod tests;

use infra::http::problem::{Code, Problem};

pub(crate) use check::{Checked, invalid, money, sentence, text};
pub(crate) use json::parse;

/// What is wrong with one field, header or parameter. It names it and never repeats its value: that may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// What kind of fault it is.
    pub(crate) code: Code,
    /// Its name: for a field its path, such as `customer.email`; empty for the body as a whole.
    pub(crate) param: String,
    /// The fault as a sentence.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(code: Code, param: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            param: param.into(),
            detail: detail.into(),
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        let problem = Self::new(error.code, error.detail);
        if error.param.is_empty() {
            problem
        } else {
            problem.param(error.param)
        }
    }
}
