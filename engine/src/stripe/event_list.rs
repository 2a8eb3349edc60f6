//! The list of Stripe's events.

use serde_json::value::RawValue;

use super::client::Client;
use super::failure::Failure;
use super::params::Form;
use super::reads::{PAGE, Page};

/// A range of times at which events were made, both ends included, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRange {
    /// The first second.
    pub from: i64,
    /// The last second.
    pub to: i64,
}

impl Client {
    /// Lists events of these types (at most 20), the newest first, each as Stripe sends it in a webhook, and whether there are
    /// more. `undelivered_only` leaves out those that all webhook endpoints have acknowledged; `after` is the id of the last
    /// event of the page before.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn list_events(
        &self,
        types: &[&'static str],
        range: EventRange,
        undelivered_only: bool,
        after: Option<&str>,
    ) -> Result<(Vec<Box<RawValue>>, bool), Failure> {
        let base = Form::default()
            .with("created[gte]", &range.from)
            .with("created[lte]", &range.to)
            .with("limit", &PAGE)
            .maybe("delivery_success", undelivered_only.then_some(false))
            .maybe("starting_after", after);
        let query = types.iter().fold(base, |form, it| form.with("types[]", it));
        let answer = self.read::<Page<Box<RawValue>>>("list_events", "/v1/events", &query);
        let Page { data, has_more } = answer.await?.object;
        Ok((data, has_more))
    }
}
