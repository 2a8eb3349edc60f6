//! Payments as operators search them, of an account or of all.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// How many of the newest payments a search without an index examines.
pub(crate) const EXAMINED: i64 = 10_000;

/// What payments are searched by. Each condition that is absent is met by all.
#[derive(Debug, Clone)]
pub(crate) struct Search<'a> {
    pub(crate) account: Option<Uuid>,
    pub(crate) status: Option<&'a str>,
    /// From the first to the second, both included.
    pub(crate) amount: (i64, i64),
    /// Only ids above this one, and below that one.
    pub(crate) above: Uuid,
    pub(crate) below: Uuid,
    pub(crate) limit: i64,
}

/// The ids of the payments with this order id of a merchant, the newest first.
pub(crate) async fn by_reference(
    connection: &mut PgConnection,
    reference: &str,
    search: &Search<'_>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment
         where reference = $1 and id > $2 and id < $3 and ($4::uuid is null or account_id = $4)
           and ($5::text is null or status = $5) and amount between $6 and $7
         order by id desc limit $8",
        reference,
        search.above,
        search.below,
        search.account,
        search.status,
        search.amount.0,
        search.amount.1,
        search.limit,
    )
    .fetch_all(connection)
    .await
}

/// The ids of the payments of a customer with this address, the newest first.
pub(crate) async fn by_email(
    connection: &mut PgConnection,
    email: &str,
    search: &Search<'_>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment
         where lower(customer ->> 'email') = lower($1) and id > $2 and id < $3
           and case when ($4::uuid is null or account_id = $4) and ($5::text is null or status = $5)
                         and amount between $6 and $7 then true else false end
         order by lower(customer ->> 'email') desc, id desc limit $8",
        email,
        search.above,
        search.below,
        search.account,
        search.status,
        search.amount.0,
        search.amount.1,
        search.limit,
    )
    .fetch_all(connection)
    .await
}

/// The ids of the payments whose metadata holds these pairs, the newest first.
pub(crate) async fn by_metadata(
    connection: &mut PgConnection,
    metadata: &Value,
    search: &Search<'_>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"with noted as materialized
               (select id, account_id, status, amount from payment where metadata @> $1 and metadata <> '{}')
         select id as "id!" from noted
         where id > $2 and id < $3 and ($4::uuid is null or account_id = $4)
           and ($5::text is null or status = $5) and amount between $6 and $7
         order by id desc limit $8"#,
        metadata,
        search.above,
        search.below,
        search.account,
        search.status,
        search.amount.0,
        search.amount.1,
        search.limit,
    )
    .fetch_all(connection)
    .await
}

/// The ids among the newest [`EXAMINED`] payments of all accounts, the newest first.
pub(crate) async fn newest(
    connection: &mut PgConnection,
    search: &Search<'_>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select id as "id!" from
             (select id, account_id, status, amount from payment where id > $1 and id < $2 order by id desc limit $7) as newest
           where ($3::uuid is null or account_id = $3) and ($4::text is null or status = $4) and amount between $5 and $6
           order by id desc limit $8"#,
        search.above,
        search.below,
        search.account,
        search.status,
        search.amount.0,
        search.amount.1,
        EXAMINED,
        search.limit,
    )
    .fetch_all(connection)
    .await
}

/// How many of the newest [`EXAMINED`] payments are in each status, and how many were examined.
pub(crate) async fn counts(
    connection: &mut PgConnection,
    account: Option<Uuid>,
) -> sqlx::Result<(i64, Vec<(String, i64)>)> {
    let rows = if let Some(account) = account {
        sqlx::query_as!(
            Count,
            r#"select status, count(*) as "count!" from
                 (select status from payment
                  where account_id = $1 and (account_id, id) < ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
                  order by account_id desc, id desc limit $2) as newest
               group by status"#,
            account,
            EXAMINED,
        )
        .fetch_all(connection)
        .await?
    } else {
        sqlx::query_as!(
            Count,
            r#"select status, count(*) as "count!" from
                 (select status from payment where id > '00000000-0000-0000-0000-000000000000' order by id desc limit $1) as newest
               group by status"#,
            EXAMINED,
        )
        .fetch_all(connection)
        .await?
    };
    let examined = rows.iter().map(|row| row.count).sum();
    Ok((
        examined,
        rows.into_iter()
            .map(|row| (row.status, row.count))
            .collect(),
    ))
}

struct Count {
    status: String,
    count: i64,
}

/// About how many payments there are in each status, as the statistics of Postgres say.
pub(crate) async fn statuses(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query!(
        r#"select s.status as "status!", (s.share * greatest(c.reltuples, 0))::bigint as "count!"
           from pg_class c
           cross join lateral (select unnest(most_common_vals::text::text[]) as status, unnest(most_common_freqs) as share
                               from pg_stats where schemaname = 'public' and tablename = 'payment' and attname = 'status') as s
           where c.oid = 'payment'::regclass"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.status, row.count))
        .collect())
}
