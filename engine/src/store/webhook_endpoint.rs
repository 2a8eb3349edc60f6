//! Tables `webhook_endpoint` and `webhook_secret`: the endpoints of merchants, and the secrets that sign deliveries.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// How many secrets of one endpoint may sign at once: the current one and the latest replaced ones.
const SECRETS: i32 = 5;

/// An endpoint's row.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) url: String,
    pub(crate) description: Option<String>,
    pub(crate) enabled_events: Vec<String>,
    pub(crate) status: String,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) disabled_at: Option<OffsetDateTime>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

/// The fields that are changed; an absent one stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change<'a> {
    pub(crate) url: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) enabled_events: Option<&'a [String]>,
    /// `enabled` or `disabled`.
    pub(crate) status: Option<&'a str>,
}

/// Lets one transaction at a time add an endpoint to an account, so that the count of its endpoints is exact.
pub(crate) async fn lock_account(connection: &mut PgConnection, account: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('webhook_endpoint ' || $1::text, 0))",
        account.to_string(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds an enabled endpoint.
pub(crate) async fn add(
    connection: &mut PgConnection,
    id: Uuid,
    account: Uuid,
    url: &str,
    description: Option<&str>,
    enabled_events: &[String],
) -> sqlx::Result<Stored> {
    sqlx::query_as!(
        Stored,
        "insert into webhook_endpoint (id, account_id, url, description, enabled_events, status, created_at, updated_at)
         values ($1, $2, $3, $4, $5, 'enabled', now(), now())
         returning id, url, description, enabled_events, status, disabled_reason, disabled_at, created_at, updated_at",
        id,
        account,
        url,
        description,
        enabled_events,
    )
    .fetch_one(connection)
    .await
}

/// The endpoints of an account, the newest first. There are few.
pub(crate) async fn of_account(
    connection: &mut PgConnection,
    account: Uuid,
) -> sqlx::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, url, description, enabled_events, status, disabled_reason, disabled_at, created_at, updated_at
         from webhook_endpoint where account_id = $1 and status <> 'deleted' order by id desc",
        account,
    )
    .fetch_all(connection)
    .await
}

/// An endpoint of the account.
pub(crate) async fn read(
    connection: &mut PgConnection,
    account: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, url, description, enabled_events, status, disabled_reason, disabled_at, created_at, updated_at
         from webhook_endpoint where id = $2 and account_id = $1 and status <> 'deleted'",
        account,
        id,
    )
    .fetch_optional(connection)
    .await
}

/// Changes an endpoint of the account and returns the changed row, which stays locked until the transaction ends.
pub(crate) async fn change(
    connection: &mut PgConnection,
    account: Uuid,
    id: Uuid,
    change: &Change<'_>,
) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "update webhook_endpoint set
            url = coalesce($3, url), description = coalesce($4, description),
            enabled_events = coalesce($5, enabled_events), status = coalesce($6, status),
            disabled_reason = case coalesce($6, status) when 'disabled' then coalesce(disabled_reason, 'requested') end,
            disabled_at = case coalesce($6, status) when 'disabled' then coalesce(disabled_at, now()) end,
            updated_at = now()
         where id = $2 and account_id = $1 and status <> 'deleted'
         returning id, url, description, enabled_events, status, disabled_reason, disabled_at, created_at, updated_at",
        account,
        id,
        change.url,
        change.description,
        change.enabled_events,
        change.status,
    )
    .fetch_optional(connection)
    .await
}

/// Disables endpoints that answered 410, each given with the address that answered: one that has another address by now
/// stays enabled.
pub(crate) async fn disable_gone(
    connection: &mut PgConnection,
    endpoints: &[(Uuid, String)],
) -> sqlx::Result<()> {
    let (ids, urls): (Vec<Uuid>, Vec<String>) = endpoints.iter().cloned().unzip();
    sqlx::query!(
        "update webhook_endpoint set status = 'disabled', disabled_reason = 'gone', disabled_at = now(), updated_at = now()
         where id in (select e.id from webhook_endpoint e join unnest($1::uuid[], $2::text[]) as t (id, url) on e.id = t.id
                      where e.status = 'enabled' and e.url = t.url order by e.id for update of e)",
        &ids,
        &urls,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks an endpoint of the account as deleted, and deletes its secrets; false when there is none.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    account: Uuid,
    id: Uuid,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "with removed as (
            update webhook_endpoint set status = 'deleted', disabled_reason = null, disabled_at = null, updated_at = now()
            where id = $2 and account_id = $1 and status <> 'deleted' returning id
         ), secrets as (delete from webhook_secret where endpoint_id in (select id from removed))
         select id from removed",
        account,
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(done.is_some())
}

/// Gives an endpoint, which is locked, a new secret. The earlier ones sign for at most `overlap` from now on.
pub(crate) async fn add_secret(
    connection: &mut PgConnection,
    endpoint: Uuid,
    secret: &[u8],
    overlap: Duration,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_secret set ends_at = least(ends_at, now() + make_interval(secs => $2)) where endpoint_id = $1",
        endpoint,
        overlap.as_secs_f64(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into webhook_secret (endpoint_id, number, secret)
         select $1, coalesce(max(number), 0) + 1, $2 from webhook_secret where endpoint_id = $1",
        endpoint,
        secret,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from webhook_secret where endpoint_id = $1
         and (ends_at <= now() or number <= (select max(number) - $2 from webhook_secret where endpoint_id = $1))",
        endpoint,
        SECRETS,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the rows of endpoints that were marked as deleted a day ago or earlier and have no deliveries, at most `limit`.
/// After a day every transaction that still read the endpoint as enabled has ended.
pub(crate) async fn delete_removed(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from webhook_endpoint where id in
            (select id from webhook_endpoint e where status = 'deleted' and updated_at < now() - interval '1 day'
             and not exists (select 1 from delivery where endpoint_id = e.id)
             and not exists (select 1 from webhook_sequence where endpoint_id = e.id) limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
