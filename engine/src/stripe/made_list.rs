//! Stripe's intents, refunds and disputes by the time at which they were made.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use workflows::stripe::{Dispute, IntentStatus, Refund};

use super::client::Client;
use super::event_list::EventRange;
use super::failure::Failure;
use super::params::Form;
use super::reads::{PAGE, Page};

/// What an intent shows of the request that made it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MadeIntent {
    /// `pi_…`
    pub(crate) id: String,
    pub(crate) status: IntentStatus,
    pub(crate) amount: i64,
    /// What was captured.
    #[serde(default)]
    pub(crate) amount_received: i64,
    /// Three letters in lower case.
    pub(crate) currency: String,
    /// `automatic`, `automatic_async` or `manual`.
    pub(crate) capture_method: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) receipt_email: Option<String>,
    /// Unix seconds.
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A page of a list, the newest object first, and the id behind which the next page begins.
pub(crate) struct MadePage<T> {
    pub(crate) objects: Vec<T>,
    pub(crate) next: Option<String>,
}

impl Client {
    /// Lists the intents that were made in the range, the newest first.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub(crate) async fn list_intents_made(
        &self,
        range: EventRange,
        after: Option<&str>,
    ) -> Result<MadePage<MadeIntent>, Failure> {
        let of_intent = |intent: &MadeIntent| intent.id.clone();
        self.list_made(
            "list_intents",
            "/v1/payment_intents",
            range,
            after,
            of_intent,
        )
        .await
    }

    /// Lists the refunds that were made in the range, the newest first.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub(crate) async fn list_refunds_made(
        &self,
        range: EventRange,
        after: Option<&str>,
    ) -> Result<MadePage<Refund>, Failure> {
        let of_refund = |refund: &Refund| refund.id.clone();
        self.list_made("list_refunds", "/v1/refunds", range, after, of_refund)
            .await
    }

    /// Lists the disputes that were made in the range, the newest first.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub(crate) async fn list_disputes_made(
        &self,
        range: EventRange,
        after: Option<&str>,
    ) -> Result<MadePage<Dispute>, Failure> {
        let of_dispute = |dispute: &Dispute| dispute.id.clone();
        self.list_made("list_disputes", "/v1/disputes", range, after, of_dispute)
            .await
    }

    async fn list_made<T: DeserializeOwned>(
        &self,
        name: &'static str,
        path: &str,
        range: EventRange,
        after: Option<&str>,
        id: impl Fn(&T) -> String,
    ) -> Result<MadePage<T>, Failure> {
        let query = Form::default()
            .with("created[gte]", &range.from)
            .with("created[lte]", &range.to)
            .with("limit", &PAGE)
            .maybe("starting_after", after);
        let Page { data, has_more } = self.read::<Page<T>>(name, path, &query).await?.object;
        Ok(MadePage {
            next: data.last().map(id).filter(|_| has_more),
            objects: data,
        })
    }
}
