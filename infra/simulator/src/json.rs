//! JSON text of Stripe's objects.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// An object without members.
#[derive(Serialize)]
pub(crate) struct Empty {}

/// Renders `value`; Stripe's objects have string keys only, so that this cannot fail.
pub(crate) fn render(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_default()
}
