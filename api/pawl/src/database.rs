//! The database of `DATABASE_URL`.

use anyhow::Result;
use infra::Env;
use sqlx::PgPool;

/// Two connections: no command uses more at once.
const CONNECTIONS: u32 = 2;

/// A pool for the database of `DATABASE_URL`; it connects at its first use.
pub(crate) fn pool() -> Result<PgPool> {
    let mut env = Env::load();
    let url = env.required("DATABASE_URL");
    env.finish()?;
    infra::postgres::pool(&url, CONNECTIONS)
}
