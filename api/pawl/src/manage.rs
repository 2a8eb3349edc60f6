//! The commands of whoever runs Pawl: users, API keys and signing keys, in the database of `DATABASE_URL`.

pub(crate) mod api_keys;
pub(crate) mod keys;
pub(crate) mod users;

use anyhow::{Context, Result};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use infra::Env;
use sqlx::PgPool;
use uuid::Uuid;

use crate::output;

/// The database of `DATABASE_URL`.
fn pool() -> Result<PgPool> {
    let mut env = Env::load();
    let url = env.required("DATABASE_URL");
    env.finish()?;
    infra::postgres::pool(&url, 2)
}

/// The account with this id or name, which must be there.
async fn account(pool: &PgPool, named: &str) -> Result<Uuid> {
    let found = auth_service::manage::account(pool, named).await?;
    found.with_context(|| format!("there is no account {named:?}: `pawl users list` shows all"))
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(head);
    table
}

fn show(table: &Table) {
    output::line(table.trim_fmt());
}
