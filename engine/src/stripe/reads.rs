//! The questions that Pawl asks, one function each.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;
use workflows::stripe::{Charge, Intent, PAYMENT_ID, Refund, id_of};

use super::calls::segment;
use super::class::Class;
use super::client::Client;
use super::failure::{Answered, Failure};
use super::params::{Created, EXPAND, Form, LATEST_CHARGE};

/// The most that Stripe puts into one page.
const PAGE: usize = 100;

/// A listing of more pages than this was asked for too wide a range; it fails rather than say that nothing was found.
const MOST_PAGES: usize = 500;

/// One page of events that Stripe could not deliver, newest first.
#[derive(Debug)]
pub struct Events {
    /// Each as a webhook would have brought it, for [`crate::webhook::parse`].
    pub events: Vec<Box<RawValue>>,
    /// Where the next page begins; nothing when this was the last.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Client {
    /// Retrieves an intent with its latest charge.
    ///
    /// # Errors
    /// [`Failure`]; never [`Class::Unknown`], as for every read.
    pub async fn retrieve_intent(&self, id: &str) -> Result<Answered<Intent>, Failure> {
        let path = format!("/v1/payment_intents/{}", segment(id)?);
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
        let base = Form::default()
            .with("payment_intent", intent_id)
            .with("limit", &PAGE);
        let mut refunds: Vec<Refund> = Vec::new();
        for _ in 0..MOST_PAGES {
            let after = refunds.last().map(|refund| refund.id.as_str());
            let query = base.clone().maybe("starting_after", after);
            let answer: Answered<Page<Refund>> =
                self.read("list_refunds", "/v1/refunds", &query).await?;
            let empty = answer.object.data.is_empty();
            refunds.extend(answer.object.data);
            if empty || !answer.object.has_more {
                return Ok(Answered {
                    object: refunds,
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
        let path = format!("/v1/charges/{}", segment(id)?);
        self.read("retrieve_charge", &path, &Form::default()).await
    }

    /// Retrieves a refund.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn retrieve_refund(&self, id: &str) -> Result<Answered<Refund>, Failure> {
        let path = format!("/v1/refunds/{}", segment(id)?);
        self.read("retrieve_refund", &path, &Form::default()).await
    }

    /// Lists a page of the events since `since` (Unix seconds; Stripe keeps 30 days) that it could not deliver.
    ///
    /// `types` may be empty for all, and holds at most 20; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn list_events(
        &self,
        since: i64,
        types: &[&str],
        after: Option<&str>,
    ) -> Result<Answered<Events>, Failure> {
        let query = types
            .iter()
            .fold(Form::default(), |query, name| query.with("types[]", *name))
            .with("created[gte]", &since)
            .with("delivery_success", &false)
            .with("limit", &PAGE)
            .maybe("starting_after", after);
        let answer: Answered<Page<Box<RawValue>>> =
            self.read("list_events", "/v1/events", &query).await?;
        let Page { data, has_more } = answer.object;
        let last = data.last().filter(|_| has_more);
        let next = last
            .map(|event| serde_json::from_str::<Named>(event.get()))
            .transpose()
            .map_err(|_| Failure::unsent(Class::Retry, "an event without an id in a listing"))?
            .map(|named| named.id);
        Ok(Answered {
            object: Events { events: data, next },
            request_id: answer.request_id,
            replayed: answer.replayed,
        })
    }
}

fn too_wide() -> Failure {
    Failure::unsent(
        Class::Retry,
        "the listing has too many pages; ask for a narrower range",
    )
}
