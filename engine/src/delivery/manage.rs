//! The operations of merchants on their webhook endpoints and deliveries. An endpoint of another account is answered like
//! one that does not exist.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::id::{DeliveryId, EventId, WebhookEndpointId};
use contracts::webhook::{
    DeliveryStatus, DeliveryTryView, DeliveryView, EndpointStatus, WebhookEndpointView,
};
use infra::postgres;
use uuid::Uuid;

use super::address::Address;
use crate::operations::Scope;
use crate::store::webhook_endpoint::{Change, Stored};
use crate::store::{delivery, webhook_endpoint};
use crate::{Engine, Error, Page};

/// How many endpoints an account may have.
pub const MOST_ENDPOINTS: usize = 16;

/// How many random bytes a secret has; Standard Webhooks requires 24 to 64.
const SECRET: usize = 32;

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// The address to which events are sent.
    pub address: Address,
    /// A note of the merchant's.
    pub description: Option<String>,
    /// Types of events and groups of them, not empty.
    pub enabled_events: Vec<String>,
}

/// The fields of an endpoint that are changed; an absent one stays as it is.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// The address to which events are sent.
    pub address: Option<Address>,
    /// A note of the merchant's.
    pub description: Option<String>,
    /// Types of events and groups of them, not empty.
    pub enabled_events: Option<Vec<String>>,
    /// Whether events are sent to it.
    pub status: Option<EndpointStatus>,
}

impl Engine {
    /// Adds an endpoint, which is sent all events from now on. The view shows its secret, only this once.
    ///
    /// # Errors
    /// [`Error::TooManyEndpoints`], [`Error::Unavailable`].
    pub async fn add_webhook_endpoint(
        &self,
        account: Uuid,
        new: NewEndpoint,
    ) -> Result<WebhookEndpointView, Error> {
        postgres::unit(async {
            let mut transaction = self.inner.pool.begin().await?;
            webhook_endpoint::lock_account(&mut transaction, account).await?;
            let present = webhook_endpoint::of_account(&mut transaction, account).await?;
            if present.len() >= MOST_ENDPOINTS {
                return Err(Error::TooManyEndpoints {
                    most: MOST_ENDPOINTS,
                });
            }
            let stored = webhook_endpoint::add(
                &mut transaction,
                Uuid::now_v7(),
                account,
                new.address.as_str(),
                new.description.as_deref(),
                &new.enabled_events,
            )
            .await?;
            let secret = secret();
            webhook_endpoint::add_secret(&mut transaction, stored.id, &secret, Duration::ZERO)
                .await?;
            transaction.commit().await?;
            Ok(with_secret(stored, &secret))
        })
        .await
    }

    /// The endpoints of an account, the newest first; the second value says whether there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn webhook_endpoints(
        &self,
        account: Uuid,
        page: &Page<Uuid>,
    ) -> Result<(Vec<WebhookEndpointView>, bool), Error> {
        postgres::unit(async {
            let mut connection = self.inner.pool.acquire().await?;
            let stored = webhook_endpoint::of_account(&mut connection, account).await?;
            let (stored, more) = page.select(stored, |it| it.id);
            Ok((stored.into_iter().map(view).collect(), more))
        })
        .await
    }

    /// An endpoint of the account.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn webhook_endpoint(
        &self,
        account: Uuid,
        id: Uuid,
    ) -> Result<WebhookEndpointView, Error> {
        postgres::unit(async {
            let mut connection = self.inner.pool.acquire().await?;
            webhook_endpoint::read(&mut connection, account, id)
                .await?
                .map(view)
                .ok_or(Error::NotFound)
        })
        .await
    }

    /// Changes an endpoint. Waiting deliveries go to its new address; if it is disabled they are skipped when they are
    /// due.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn change_webhook_endpoint(
        &self,
        account: Uuid,
        id: Uuid,
        change: EndpointChange,
    ) -> Result<WebhookEndpointView, Error> {
        let change = Change {
            url: change.address.as_ref().map(Address::as_str),
            description: change.description.as_deref(),
            enabled_events: change.enabled_events.as_deref(),
            status: change.status.map(|status| match status {
                EndpointStatus::Enabled => "enabled",
                EndpointStatus::Disabled => "disabled",
            }),
        };
        postgres::unit(async {
            let mut connection = self.inner.pool.acquire().await?;
            webhook_endpoint::change(&mut connection, account, id, &change)
                .await?
                .map(view)
                .ok_or(Error::NotFound)
        })
        .await
    }

    /// Deletes an endpoint. Its waiting deliveries are skipped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn remove_webhook_endpoint(&self, account: Uuid, id: Uuid) -> Result<(), Error> {
        postgres::unit(async {
            let mut connection = self.inner.pool.acquire().await?;
            if webhook_endpoint::remove(&mut connection, account, id).await? {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
        .await
    }

    /// Gives an endpoint a new secret, which the view shows only this once. The old one signs beside it for `overlap`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn rotate_webhook_secret(
        &self,
        account: Uuid,
        id: Uuid,
        overlap: Duration,
    ) -> Result<WebhookEndpointView, Error> {
        postgres::unit(async {
            let mut transaction = self.inner.pool.begin().await?;
            // An empty change locks the row: two rotations at once come one after the other.
            let stored =
                webhook_endpoint::change(&mut transaction, account, id, &Change::default()).await?;
            let stored = stored.ok_or(Error::NotFound)?;
            let secret = secret();
            webhook_endpoint::add_secret(&mut transaction, id, &secret, overlap).await?;
            transaction.commit().await?;
            Ok(with_secret(stored, &secret))
        })
        .await
    }

    /// The deliveries of an endpoint, the newest first; the second value says whether there are more.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn deliveries(
        &self,
        account: Uuid,
        endpoint: Uuid,
        status: Option<DeliveryStatus>,
        page: &Page<Uuid>,
    ) -> Result<(Vec<DeliveryView>, bool), Error> {
        let statuses: Vec<String> = DeliveryStatus::ALL
            .into_iter()
            .filter(|known| status.is_none_or(|status| status == *known))
            .map(|status| status.as_str().to_owned())
            .collect();
        postgres::unit(async {
            let mut connection = self.inner.pool.acquire().await?;
            own(&mut connection, account, endpoint).await?;
            let rows = delivery::page(
                &mut connection,
                endpoint,
                &statuses,
                page.starting_after,
                page.ending_before,
                page.rows(),
            )
            .await?;
            let views: Result<Vec<_>, Error> = rows.into_iter().map(delivery_view).collect();
            Ok(page.cut(views?))
        })
        .await
    }

    /// A delivery of an endpoint, with its tries.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn delivery(
        &self,
        account: Uuid,
        endpoint: Uuid,
        id: Uuid,
    ) -> Result<DeliveryView, Error> {
        postgres::unit(async {
            let mut connection = self.inner.pool.acquire().await?;
            own(&mut connection, account, endpoint).await?;
            shown(&mut connection, endpoint, id).await
        })
        .await
    }

    /// Sends a delivery again, at once and then by the schedule, whatever its status is. One that waits is brought
    /// forward; two requests at the same moment send it once.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::EndpointDisabled`], [`Error::Unavailable`].
    pub async fn resend(
        &self,
        account: Uuid,
        endpoint: Uuid,
        id: Uuid,
    ) -> Result<DeliveryView, Error> {
        postgres::unit(async {
            let mut transaction = self.inner.pool.begin().await?;
            let stored = own(&mut transaction, account, endpoint).await?;
            delivery::read(&mut transaction, endpoint, id)
                .await?
                .ok_or(Error::NotFound)?;
            if stored.status != "enabled" {
                return Err(Error::EndpointDisabled);
            }
            delivery::send_again(&mut transaction, id).await?;
            let view = shown(&mut transaction, endpoint, id).await?;
            transaction.commit().await?;
            Ok(view)
        })
        .await
    }
}

impl Engine {
    /// The deliveries in the scope that failed for good, the newest first and below `after`, and whether there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn failed_deliveries(
        &self,
        scope: Scope,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<(Vec<DeliveryView>, bool), Error> {
        let rows = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            let rows = i64::from(limit) + 1;
            delivery::failed(&mut connection, scope.account(), after, rows).await
        });
        let mut rows = rows.await?;
        let more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        let views: Result<Vec<_>, Error> = rows.into_iter().map(delivery_view).collect();
        Ok((views?, more))
    }

    /// A delivery in the scope with its tries, and the account that it belongs to.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn delivery_in(&self, scope: Scope, id: Uuid) -> Result<(Uuid, DeliveryView), Error> {
        let mut connection = self.inner.pool.acquire().await?;
        let found = delivery::find(&mut connection, id).await?;
        let found = found.filter(|found| scope.holds(found.account));
        let found = found.ok_or(Error::NotFound)?;
        let view = shown(&mut connection, found.endpoint, id).await?;
        Ok((found.account, view))
    }
}

pub(super) async fn own(
    connection: &mut sqlx::PgConnection,
    account: Uuid,
    endpoint: Uuid,
) -> Result<Stored, Error> {
    webhook_endpoint::read(connection, account, endpoint)
        .await?
        .ok_or(Error::NotFound)
}

async fn shown(
    connection: &mut sqlx::PgConnection,
    endpoint: Uuid,
    id: Uuid,
) -> Result<DeliveryView, Error> {
    let row = delivery::read(connection, endpoint, id).await?;
    let row = row.ok_or(Error::NotFound)?;
    let tries = delivery::tries(connection, id).await?;
    Ok(DeliveryView {
        log: Some(tries.into_iter().map(try_view).collect()),
        ..delivery_view(row)?
    })
}

fn secret() -> [u8; SECRET] {
    rand::random()
}

fn with_secret(stored: Stored, secret: &[u8]) -> WebhookEndpointView {
    WebhookEndpointView {
        secret: Some(format!("whsec_{}", STANDARD.encode(secret))),
        ..view(stored)
    }
}

fn view(stored: Stored) -> WebhookEndpointView {
    WebhookEndpointView {
        id: WebhookEndpointId::from_uuid(stored.id),
        object: "webhook_endpoint".into(),
        url: stored.url,
        description: stored.description,
        enabled_events: stored.enabled_events,
        status: if stored.status == "enabled" {
            EndpointStatus::Enabled
        } else {
            EndpointStatus::Disabled
        },
        disabled_reason: stored.disabled_reason,
        disabled_at: stored.disabled_at,
        secret: None,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    }
}

fn delivery_view(row: delivery::Listed) -> Result<DeliveryView, Error> {
    let status = DeliveryStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == row.status)
        .ok_or_else(|| Error::Internal(format!("delivery {} has an unknown status", row.id)))?;
    Ok(DeliveryView {
        id: DeliveryId::from_uuid(row.id),
        object: "delivery".into(),
        endpoint_id: row.endpoint_id.into(),
        event_id: EventId::new(row.payment_id.into(), row.version),
        payment_id: row.payment_id.into(),
        r#type: row.r#type,
        sequence: row.sequence,
        status,
        tries: row.tries,
        last_code: row.last_code,
        next_try_at: row.next_try_at,
        created_at: row.created_at,
        finished_at: row.finished_at,
        log: None,
    })
}

fn try_view(row: delivery::ListedTry) -> DeliveryTryView {
    DeliveryTryView {
        number: row.number,
        started_at: row.started_at,
        duration_ms: row.duration_ms,
        code: row.code,
        error: row.error,
        response_body: row.response_body,
    }
}
