//! A test event: a merchant asks whether an endpoint takes deliveries, and sees what it answered.

use std::time::Duration;

use contracts::webhook::{DeliveryStatus, DeliveryView};
use infra::postgres;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::manage::own;
use crate::store::delivery;
use crate::{Engine, Error};

/// How long the end of the call is waited for: longer than a receiver may take by default, and the pause before a claim.
const PATIENCE: Duration = Duration::from_secs(12);

/// The pause between two looks at the delivery.
const LOOK: Duration = Duration::from_millis(100);

impl Engine {
    /// Sends a test event to an endpoint, whatever events it asked for, by a worker and under the rules of every delivery.
    /// There is one try. The result is the delivery with its log; it is still pending if no worker has ended the call
    /// within 12 s. While a test event of the endpoint waits, this is the result, and no other is made.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::EndpointDisabled`], [`Error::Unavailable`].
    pub async fn test_webhook_endpoint(
        &self,
        account: Uuid,
        endpoint: Uuid,
    ) -> Result<DeliveryView, Error> {
        let id = postgres::unit(async {
            let mut transaction = self.inner.pool.begin().await?;
            let stored = own(&mut transaction, account, endpoint).await?;
            if stored.status != "enabled" {
                return Err(Error::EndpointDisabled);
            }
            let id = delivery::add_test(&mut transaction, account, endpoint).await?;
            transaction.commit().await?;
            Ok(id)
        })
        .await?;
        let began = Instant::now();
        loop {
            let view = self.delivery(account, endpoint, id).await?;
            if view.status != DeliveryStatus::Pending || began.elapsed() >= PATIENCE {
                return Ok(view);
            }
            sleep(LOOK).await;
        }
    }
}
