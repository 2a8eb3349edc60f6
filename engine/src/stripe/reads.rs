//! The calls that read from Stripe, one function each.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use workflows::stripe::{Charge, Dispute, Intent, PAYMENT_ID, Refund, id_of};

use super::calls::path_segment;
use super::class::Class;
use super::client::Client;
use super::failure::{Answered, Failure};
use super::params::{Created, EXPAND, Form, LATEST_CHARGE};

/// The most objects in one page of Stripe's lists.
pub(super) const PAGE: usize = 100;

/// A listing of more pages than this fails, because its range is too wide; it must not report that nothing was found.
const MOST_PAGES: usize = 500;

/// A page of one of Stripe's lists.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

impl Client {
    /// Retrieves an intent with its latest charge.
    ///
    /// # Errors
    /// [`Failure`]; never [`Class::Unknown`], as for every read.
    pub async fn retrieve_intent(&self, id: &str) -> Result<Answered<Intent>, Failure> {
        let path = format!("/v1/payment_intents/{}", path_segment(id)?);
        let query = Form::default().with(EXPAND, LATEST_CHARGE);
        self.read("retrieve_intent", &path, &query).await
    }

    /// Finds the intent that was created for a payment, by listing what was created in `created` and looking for its `metadata.payment_id`.
    ///
    /// Stripe's search would be one request, but runs minutes behind. `None` means that there is none in the range.
    ///
    /// # Errors
    /// [`Failure`], also where the range holds more than 50,000 intents.
    pub async fn find_intent(
        &self,
        payment: Uuid,
        created: Created,
    ) -> Result<Answered<Option<Intent>>, Failure> {
        let base = Form::default()
            .with("created[gte]", &created.from)
            .with("created[lte]", &created.to)
            .with("limit", &PAGE)
            .with(EXPAND, "data.latest_charge");
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let query = base.clone().maybe("starting_after", after.as_deref());
            let answer: Answered<Page<Intent>> = self
                .read("list_intents", "/v1/payment_intents", &query)
                .await?;
            let Page { data, has_more } = answer.object;
            after = data.last().map(|intent| intent.id.clone());
            let found = data.into_iter().find(|intent| {
                intent.metadata.get(PAYMENT_ID).and_then(|text| id_of(text)) == Some(payment)
            });
            if found.is_some() || !has_more || after.is_none() {
                return Ok(Answered {
                    object: found,
                    request_id: answer.request_id,
                    replayed: answer.replayed,
                });
            }
        }
        Err(too_wide())
    }

    /// Lists every refund of an intent, newest first.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn list_refunds(&self, intent_id: &str) -> Result<Answered<Vec<Refund>>, Failure> {
        let of_refund = |refund: &Refund| refund.id.clone();
        self.list_of_intent("list_refunds", "/v1/refunds", intent_id, of_refund)
            .await
    }

    /// Lists every dispute of an intent, newest first.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn list_disputes(&self, intent_id: &str) -> Result<Answered<Vec<Dispute>>, Failure> {
        let of_dispute = |dispute: &Dispute| dispute.id.clone();
        self.list_of_intent("list_disputes", "/v1/disputes", intent_id, of_dispute)
            .await
    }

    /// Retrieves a dispute.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn retrieve_dispute(&self, id: &str) -> Result<Answered<Dispute>, Failure> {
        let path = format!("/v1/disputes/{}", path_segment(id)?);
        self.read("retrieve_dispute", &path, &Form::default()).await
    }

    /// Lists every object of a kind that belongs to an intent, newest first.
    async fn list_of_intent<T: DeserializeOwned>(
        &self,
        name: &'static str,
        path: &str,
        intent_id: &str,
        id: impl Fn(&T) -> String,
    ) -> Result<Answered<Vec<T>>, Failure> {
        let base = Form::default()
            .with("payment_intent", intent_id)
            .with("limit", &PAGE);
        let mut found: Vec<T> = Vec::new();
        for _ in 0..MOST_PAGES {
            let query = base.clone().maybe("starting_after", found.last().map(&id));
            let answer: Answered<Page<T>> = self.read(name, path, &query).await?;
            let empty = answer.object.data.is_empty();
            found.extend(answer.object.data);
            if empty || !answer.object.has_more {
                return Ok(Answered {
                    object: found,
                    request_id: answer.request_id,
                    replayed: answer.replayed,
                });
            }
        }
        Err(too_wide())
    }

    /// Retrieves a charge.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn retrieve_charge(&self, id: &str) -> Result<Answered<Charge>, Failure> {
        let path = format!("/v1/charges/{}", path_segment(id)?);
        self.read("retrieve_charge", &path, &Form::default()).await
    }
}

fn too_wide() -> Failure {
    Failure::unsent(
        Class::Retry,
        "the listing has too many pages; ask for a narrower range",
    )
}
