//! The queries of clients about disputes. A dispute of another account is treated like one that does not exist.

use std::time::Duration;

use contracts::view::DisputeView;
use infra::postgres;
use tokio::time::Instant;
use uuid::Uuid;
use workflows::dispute::Status;

use crate::record::DisputeRecord;
use crate::store::dispute;
use crate::{Engine, Error, Page};

/// The disputes that a list shows: those that meet every condition that is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct DisputeFilter {
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only those of this payment.
    pub payment: Option<Uuid>,
}

/// A dispute with the payment that commands about it lock.
#[derive(Debug, Clone)]
pub struct Disputed {
    /// The payment.
    pub payment: Uuid,
    /// The dispute as its merchant sees it.
    pub view: DisputeView,
}

/// The pause between two reads of a waiting request.
const PAUSE: Duration = Duration::from_millis(50);

impl Engine {
    /// A dispute of the account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn dispute(&self, account: Uuid, id: Uuid) -> Result<Option<Disputed>, Error> {
        let found = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            dispute::read(&mut connection, account, id).await
        });
        Ok(found.await?.map(|record| Disputed {
            payment: record.payment,
            view: record.view(),
        }))
    }

    /// Disputes of an account, the newest first, and whether there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn disputes(
        &self,
        account: Uuid,
        filter: DisputeFilter,
        page: &Page<Uuid>,
    ) -> Result<(Vec<DisputeView>, bool), Error> {
        let criteria = dispute::Criteria {
            account,
            status: filter.status,
            payment: filter.payment,
            above: page.ending_before.unwrap_or_default(),
            below: page.starting_after.unwrap_or(Uuid::max()),
            oldest_first: page.ending_before.is_some(),
            limit: page.rows(),
        };
        let found = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            dispute::page(&mut connection, &criteria).await
        });
        let found = found.await?;
        Ok(page.cut(found.iter().map(DisputeRecord::view).collect()))
    }

    /// Waits until Stripe has answered what was asked about the dispute, at most until `deadline`, and returns its view then.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn wait_for_dispute(
        &self,
        account: Uuid,
        id: Uuid,
        deadline: Instant,
    ) -> Result<DisputeView, Error> {
        loop {
            let found = self.dispute(account, id).await?.ok_or(Error::NotFound)?;
            if found.view.open_call.is_none() || Instant::now() + PAUSE >= deadline {
                return Ok(found.view);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
