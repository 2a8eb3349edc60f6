//! Whose payments an operator may see.

use infra::postgres;
use uuid::Uuid;

use crate::store::payment;
use crate::{Engine, Error};

/// Whose payments and jobs a request of an operator reaches. What is outside is treated like what does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of one account.
    Account(Uuid),
    /// Those of all accounts.
    All,
}

impl Scope {
    /// The one account, if the scope is one.
    #[must_use]
    pub const fn account(self) -> Option<Uuid> {
        match self {
            Self::Account(account) => Some(account),
            Self::All => None,
        }
    }

    /// Whether what belongs to this account is inside.
    #[must_use]
    pub fn holds(self, account: Uuid) -> bool {
        self.account().is_none_or(|own| own == account)
    }
}

impl Engine {
    /// The account of a payment in the scope.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn account_of(&self, scope: Scope, payment: Uuid) -> Result<Uuid, Error> {
        let records = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            payment::read(&mut connection, &[payment]).await
        });
        let account = records.await?.pop().map(|record| record.account);
        let account = account.filter(|account| scope.holds(*account));
        account.ok_or(Error::NotFound)
    }
}
