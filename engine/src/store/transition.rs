//! Table `transition`: every move of every machine. Rows are added, never changed.

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::stream::Transition;

/// A move with what made it and the facts that belong to it.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) stream: Uuid,
    pub(crate) transition: Transition,
    pub(crate) cause: String,
    pub(crate) data: Value,
}

/// Adds the moves of a group.
pub(crate) async fn add(
    connection: &mut PgConnection,
    rows: &[New],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let streams: Vec<Uuid> = rows.iter().map(|row| row.stream).collect();
    let versions: Vec<i64> = rows.iter().map(|row| row.transition.version).collect();
    let machines: Vec<String> = rows
        .iter()
        .map(|row| row.transition.machine.as_str().to_owned())
        .collect();
    let subjects: Vec<Uuid> = rows.iter().map(|row| row.transition.subject).collect();
    let froms: Vec<String> = rows
        .iter()
        .map(|row| row.transition.from.to_owned())
        .collect();
    let kinds: Vec<String> = rows
        .iter()
        .map(|row| row.transition.kind.to_owned())
        .collect();
    let tos: Vec<String> = rows
        .iter()
        .map(|row| row.transition.to.to_owned())
        .collect();
    let causes: Vec<String> = rows.iter().map(|row| row.cause.clone()).collect();
    let data: Vec<Value> = rows.iter().map(|row| row.data.clone()).collect();
    sqlx::query!(
        "insert into transition (stream, version, machine, subject, from_status, kind, to_status, cause, data, created_at)
         select stream, version, machine, subject, from_status, kind, to_status, cause, data, $10
         from unnest($1::uuid[], $2::int8[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[])
              as t (stream, version, machine, subject, from_status, kind, to_status, cause, data)",
        &streams,
        &versions,
        &machines,
        &subjects,
        &froms,
        &kinds,
        &tos,
        &causes,
        &data,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether this very move was committed: asked after a COMMIT whose answer was lost.
pub(crate) async fn is_there(connection: &mut PgConnection, row: &New) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from transition
           where stream = $1 and version = $2 and cause = $3 and subject = $4) as "there!""#,
        row.stream,
        row.transition.version,
        row.cause,
        row.transition.subject,
    )
    .fetch_one(connection)
    .await
}

/// A move as it was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) version: i64,
    pub(crate) machine: String,
    pub(crate) subject: Uuid,
    pub(crate) from_status: String,
    pub(crate) kind: String,
    pub(crate) to_status: String,
    pub(crate) cause: String,
    pub(crate) created_at: OffsetDateTime,
}

/// The moves of a stream after `after` and before `before`, in order, the newest first when `backwards`.
pub(crate) async fn of_stream(
    connection: &mut PgConnection,
    stream: Uuid,
    after: i64,
    before: i64,
    limit: i64,
    backwards: bool,
) -> sqlx::Result<Vec<Written>> {
    sqlx::query_as!(
        Written,
        "select version, machine, subject, from_status, kind, to_status, cause, created_at
         from transition where stream = $1 and version > $2 and version < $3
         order by case when $5 then -version else version end limit $4",
        stream,
        after,
        before,
        limit,
        backwards,
    )
    .fetch_all(connection)
    .await
}
