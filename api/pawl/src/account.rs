//! The account that an option names.

use anyhow::{Context, Result};
use sqlx::PgPool;
use uuid::Uuid;

/// The account with this id or name, which must exist.
pub(crate) async fn find(pool: &PgPool, id_or_name: &str) -> Result<Uuid> {
    let found = auth_service::admin::account(pool, id_or_name).await?;
    found
        .with_context(|| format!("there is no account {id_or_name:?}: `pawl users list` shows all"))
}
