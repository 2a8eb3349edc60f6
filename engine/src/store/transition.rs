//! Table `transition`: the history of every stream. Rows are added, never changed.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::stream::Transition;

use super::decode::rows;

/// A transition with its cause and the facts that the history keeps of it.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) stream: Uuid,
    pub(crate) transition: Transition,
    pub(crate) cause: String,
    pub(crate) data: Value,
}

/// Adds transitions.
pub(crate) async fn add(
    connection: &mut PgConnection,
    transitions: &[New],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        stream: Uuid,
        version: i64,
        machine: &'a str,
        subject: Uuid,
        from_status: &'a str,
        kind: &'a str,
        to_status: &'a str,
        cause: &'a str,
        data: &'a Value,
    }
    let new: Vec<Row<'_>> = transitions
        .iter()
        .map(|new| Row {
            stream: new.stream,
            version: new.transition.version,
            machine: new.transition.machine.as_str(),
            subject: new.transition.subject,
            from_status: new.transition.from,
            kind: new.transition.kind,
            to_status: new.transition.to,
            cause: &new.cause,
            data: &new.data,
        })
        .collect();
    sqlx::query!(
        "insert into transition (stream, version, machine, subject, from_status, kind, to_status, cause, data, created_at)
         select stream, version, machine, subject, from_status, kind, to_status, cause, data, $2
         from json_populate_recordset(null::transition, $1::text::json)",
        rows(&new)?,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether this transition was committed, and no other with its version. Read after a COMMIT whose answer was lost.
pub(crate) async fn exists(connection: &mut PgConnection, row: &New) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from transition
           where stream = $1 and version = $2 and cause = $3 and subject = $4) as "exists!""#,
        row.stream,
        row.transition.version,
        row.cause,
        row.transition.subject,
    )
    .fetch_one(connection)
    .await
}

/// A transition as it was written.
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

/// The transitions of a stream with versions above `after` and below `before`, in order, the newest first when
/// `backwards`.
pub(crate) async fn list(
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
