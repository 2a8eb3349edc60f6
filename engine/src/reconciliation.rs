//! Looking at payments that wait for word from outside, before their times.

use infra::postgres;
use sqlx::PgPool;

use crate::Error;
use crate::store::timer;

/// Lets the sweeper look at all payments that wait now, 500 a second, as after an outage in which webhooks were lost. Returns
/// how many they are.
///
/// # Errors
/// When Postgres fails.
pub async fn look_now(pool: &PgPool) -> Result<u64, Error> {
    Ok(postgres::within(timer::bring_checks_forward(pool)).await?)
}
