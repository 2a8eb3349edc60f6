//! Table `history` and its view `transition`: the transitions of every stream. Rows are added, never changed.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::edges::Machine;
use workflows::event_type;
use workflows::stream::Transition;

use super::decode::rows;

/// A transition with its cause and the facts that the history keeps of it.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) stream: Uuid,
    pub(crate) transition: Transition,
    pub(crate) cause: String,
    /// The facts of the payment after the step, the same for all transitions of the step.
    pub(crate) data: Value,
    /// The facts of the subject that moved.
    pub(crate) moved: Value,
}

impl New {
    /// The type of the event that reports it.
    pub(crate) fn event_type(&self) -> &'static str {
        let moved = &self.transition;
        event_type::Change {
            machine: moved.machine,
            from: moved.from,
            kind: moved.kind,
            to: moved.to,
            has_error: self.moved["error"].is_object(),
            reason: self.moved["reason"].as_str(),
        }
        .event_type()
    }

    /// Whether `next` is the next transition of the same step.
    fn is_followed_by(&self, next: &Self) -> bool {
        self.stream == next.stream
            && self.transition.version + 1 == next.transition.version
            && self.cause == next.cause
            && self.data == next.data
    }
}

/// Adds transitions: a row for each step. Those of a step must come one after another.
pub(crate) async fn add(
    connection: &mut PgConnection,
    transitions: &[New],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        stream: Uuid,
        first_version: i64,
        transitions: Vec<StatusChange<'a>>,
        cause: &'a str,
        data: &'a Value,
    }
    #[derive(Serialize)]
    struct StatusChange<'a> {
        machine: &'a str,
        subject: Uuid,
        from_status: &'a str,
        kind: &'a str,
        to_status: &'a str,
        facts: &'a Value,
    }
    fn change(new: &New) -> StatusChange<'_> {
        StatusChange {
            machine: new.transition.machine.as_str(),
            subject: new.transition.subject,
            from_status: new.transition.from,
            kind: new.transition.kind,
            to_status: new.transition.to,
            facts: &new.moved,
        }
    }
    let steps: Vec<Row<'_>> = transitions
        .chunk_by(New::is_followed_by)
        .map(|step| Row {
            stream: step[0].stream,
            first_version: step[0].transition.version,
            transitions: step.iter().map(change).collect(),
            cause: &step[0].cause,
            data: &step[0].data,
        })
        .collect();
    sqlx::query!(
        "insert into history (stream, first_version, transitions, cause, data, created_at)
         select stream, first_version, transitions, cause, data, $2
         from json_populate_recordset(null::history, $1::text::json)",
        rows(&steps)?,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether this transition was committed, and no other with its version. Read after a COMMIT whose answer was lost.
pub(crate) async fn exists(connection: &mut PgConnection, row: &New) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from history
           where stream = $1 and cause = $2 and $3 between first_version and last_version) as "exists!""#,
        row.stream,
        row.cause,
        row.transition.version,
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
    /// Whether its subject shows an error afterwards.
    pub(crate) has_error: bool,
    /// The reason of a refund.
    pub(crate) reason: Option<String>,
}

impl Written {
    /// The type of the event that reported it. The database has no machine that this version does not know: it refuses
    /// what is no edge.
    pub(crate) fn event_type(&self) -> Option<&'static str> {
        let change = event_type::Change {
            machine: self.machine.parse::<Machine>().ok()?,
            from: &self.from_status,
            kind: &self.kind,
            to: &self.to_status,
            has_error: self.has_error,
            reason: self.reason.as_deref(),
        };
        Some(change.event_type())
    }
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
        r#"select version as "version!", machine as "machine!", subject as "subject!", from_status as "from_status!",
                kind as "kind!", to_status as "to_status!", cause as "cause!", created_at as "created_at!",
                coalesce(jsonb_typeof(data->'moved'->'error') = 'object', false) as "has_error!",
                data->'moved'->>'reason' as reason
         from transition where stream = $1 and version > $2 and version < $3
         order by case when $5 then -version else version end limit $4"#,
        stream,
        after,
        before,
        limit,
        backwards,
    )
    .fetch_all(connection)
    .await
}

/// The newest transition of a subject of the stream; of a dispute, not of its money or its evidence.
pub(crate) async fn newest_of(
    connection: &mut PgConnection,
    stream: Uuid,
    subject: Uuid,
) -> sqlx::Result<Option<Written>> {
    sqlx::query_as!(
        Written,
        r#"select version as "version!", machine as "machine!", subject as "subject!", from_status as "from_status!",
                kind as "kind!", to_status as "to_status!", cause as "cause!", created_at as "created_at!",
                coalesce(jsonb_typeof(data->'moved'->'error') = 'object', false) as "has_error!",
                data->'moved'->>'reason' as reason
         from transition
         where stream = $1 and subject = $2 and machine not in ('dispute_funds', 'dispute_evidence')
         order by version desc limit 1"#,
        stream,
        subject,
    )
    .fetch_optional(connection)
    .await
}
