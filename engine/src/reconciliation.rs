//! Comparing payments that wait for a webhook with Stripe's objects before their times.

use infra::postgres;
use sqlx::PgPool;

use crate::Error;
use crate::store::timer;

/// Makes the checks of all waiting payments due now, as after an outage in which webhooks were lost. The sweeper fires them,
/// 500 a second. Returns how many they are.
///
/// # Errors
/// When Postgres fails.
pub async fn check_now(pool: &PgPool) -> Result<u64, Error> {
    Ok(postgres::within(timer::bring_checks_forward(pool)).await?)
}
