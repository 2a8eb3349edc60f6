//! What an audit compares of payments.

use sqlx::PgConnection;
use uuid::Uuid;

/// The sums of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) id: Uuid,
    pub(crate) account_id: Uuid,
    pub(crate) intent_id: String,
    pub(crate) status: String,
    pub(crate) currency: String,
    pub(crate) captured: i64,
    /// Refunds that have not ended included.
    pub(crate) refunded: i64,
}

/// The payments of these intents.
pub(crate) async fn of_intents(
    connection: &mut PgConnection,
    intents: &[String],
) -> sqlx::Result<Vec<Sums>> {
    sqlx::query_as!(
        Sums,
        r#"select id, account_id, intent_id as "intent_id!", status, currency, amount_captured as captured,
                amount_refunded + amount_reserved as "refunded!"
         from payment where intent_id = any($1)"#,
        intents,
    )
    .fetch_all(connection)
    .await
}

/// The payments with an intent whose ids are above `from` and below `to`, in order, at most `limit`.
pub(crate) async fn between(
    connection: &mut PgConnection,
    from: Uuid,
    to: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Sums>> {
    sqlx::query_as!(
        Sums,
        r#"select id, account_id, intent_id as "intent_id!", status, currency, amount_captured as captured,
                amount_refunded + amount_reserved as "refunded!"
         from payment where id > $1 and id < $2 and intent_id is not null order by id limit $3"#,
        from,
        to,
        limit,
    )
    .fetch_all(connection)
    .await
}
