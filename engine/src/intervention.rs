//! What an operator does to one payment: a resync at once, and a move by hand.

use infra::http::RequestId;
use uuid::Uuid;
use workflows::payment::Status;
use workflows::stream::Event;

use crate::commit::Cause;
use crate::commit::advance::{Advance, Origin, Outcome};
use crate::{Engine, Error};

/// A move of a payment by hand. Edge P19 of docs/machines.md: it leads from every status to every status.
#[derive(Debug, Clone)]
pub struct Force {
    /// The status to move to.
    pub to: Status,
    /// Why; it is kept in the history.
    pub reason: String,
    /// Who, as an id that the audit knows; it is kept in the history.
    pub actor: String,
    /// The version that the payment must still have: a request that is sent twice moves it once.
    pub version: i64,
}

impl Engine {
    /// Requests a resync of a payment of the account: its intent and its refunds are read at Stripe, and what differs is
    /// corrected. When this returns the request is durable. A payment without an intent is left to the job that creates it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Busy`], [`Error::Unavailable`].
    pub async fn resync(&self, account: Uuid, payment: Uuid) -> Result<(), Error> {
        let cause = Cause::operator(request_id(), None);
        self.intervene(account, payment, Event::Hinted, None, cause)
            .await
    }

    /// Moves a payment of the account by hand. Its open call is closed, and the job of that call ends; no money moves and no
    /// call is made to Stripe. A status in which the payment waits is compared with Stripe's object after the usual time,
    /// which corrects it again if Stripe shows another.
    ///
    /// # Errors
    /// [`Error::Moved`] if the payment has another version by now, [`Error::NotFound`], [`Error::Busy`],
    /// [`Error::Unavailable`]. Nothing was written then.
    pub async fn force(&self, account: Uuid, payment: Uuid, force: Force) -> Result<(), Error> {
        let event = Event::Forced {
            to: force.to,
            reason: force.reason.clone(),
        };
        let cause = Cause::operator(request_id(), Some((force.actor, force.reason)));
        self.intervene(account, payment, event, Some(force.version), cause)
            .await
    }

    async fn intervene(
        &self,
        account: Uuid,
        payment: Uuid,
        event: Event,
        expected_version: Option<i64>,
        cause: Cause,
    ) -> Result<(), Error> {
        let advance = Advance {
            payment,
            cause,
            origin: Origin::Operator {
                account,
                event,
                expected_version,
            },
        };
        match self.inner.advances.submit(advance).await? {
            Outcome::Finished(_) => Ok(()),
            Outcome::Refused(error) => Err(error),
            Outcome::Answered(_) | Outcome::Stale => Err(Error::Internal(
                "an operator's request got the outcome of another one".into(),
            )),
        }
    }
}

/// The id of the request that this task answers, by which the audit record of the same action is found.
fn request_id() -> String {
    let request = infra::http::request_id().unwrap_or_else(RequestId::generate);
    request.as_str().to_owned()
}
