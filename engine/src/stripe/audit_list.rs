//! Stripe's intents with the sums that an audit compares.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use workflows::stripe::{ACCOUNT_ID, IntentStatus, PAYMENT_ID, id_of};

use super::calls::path_segment;
use super::client::Client;
use super::event_list::EventRange;
use super::failure::Failure;
use super::params::{EXPAND, Form, LATEST_CHARGE};
use super::reads::{PAGE, Page};

/// An intent with what was taken and given back.
#[derive(Clone, Debug, Deserialize)]
pub struct IntentSums {
    /// `pi_…`
    pub id: String,
    /// Its status.
    pub status: IntentStatus,
    /// What was captured.
    #[serde(default)]
    pub amount_received: i64,
    /// Three letters in lower case.
    pub currency: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    latest_charge: Option<Value>,
}

impl IntentSums {
    /// Our payment, if the intent bears our mark.
    #[must_use]
    pub fn payment(&self) -> Option<Uuid> {
        id_of(self.metadata.get(PAYMENT_ID)?)
    }

    /// The merchant, if the intent bears our mark.
    #[must_use]
    pub fn account(&self) -> Option<Uuid> {
        id_of(self.metadata.get(ACCOUNT_ID)?)
    }

    /// What was given back of its charge, refunds that have not ended included.
    #[must_use]
    pub fn amount_refunded(&self) -> i64 {
        let charge = self.latest_charge.as_ref();
        let refunded = charge.and_then(|charge| charge.get("amount_refunded"));
        refunded.and_then(Value::as_i64).unwrap_or_default()
    }
}

impl Client {
    /// Lists the intents that were created in a range, the newest first, and whether there are more. `after` is the id of the
    /// last intent of the page before.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn list_sums(
        &self,
        range: EventRange,
        after: Option<&str>,
    ) -> Result<(Vec<IntentSums>, bool), Failure> {
        let query = Form::default()
            .with("created[gte]", &range.from)
            .with("created[lte]", &range.to)
            .with("limit", &PAGE)
            .with(EXPAND, "data.latest_charge")
            .maybe("starting_after", after);
        let answer = self.read::<Page<IntentSums>>("list_intents", "/v1/payment_intents", &query);
        let Page { data, has_more } = answer.await?.object;
        Ok((data, has_more))
    }

    /// Retrieves an intent with its sums; none if Stripe knows no such intent.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn retrieve_sums(&self, id: &str) -> Result<Option<IntentSums>, Failure> {
        let path = format!("/v1/payment_intents/{}", path_segment(id)?);
        let query = Form::default().with(EXPAND, LATEST_CHARGE);
        match self.read("retrieve_intent", &path, &query).await {
            Ok(answer) => Ok(Some(answer.object)),
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}
