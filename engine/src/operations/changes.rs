//! Whether anything was written, for those who watch.

use infra::postgres;

use crate::{Engine, Error, store};

impl Engine {
    /// The position of Postgres' log, which grows with every write of any process. It names no write, so it is cheap to
    /// compare, and says of a write that touched nothing of interest that something changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn log_position(&self) -> Result<String, Error> {
        Ok(postgres::within(store::log_position(&self.inner.pool)).await?)
    }
}
