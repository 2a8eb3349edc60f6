//! The webhooks that operators read.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// How many of the newest results a list of one disposition examines.
const EXAMINED: i64 = 10_000;

/// An event with its status.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) r#type: String,
    pub(crate) status: String,
    pub(crate) payment_id: Option<Uuid>,
    pub(crate) tries: i32,
    pub(crate) error: Option<String>,
    pub(crate) received_at: OffsetDateTime,
    pub(crate) done_at: Option<OffsetDateTime>,
}

/// The events that are known to be about a payment, the newest first.
pub(crate) async fn of_payment(
    connection: &mut PgConnection,
    payment: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select e.id as "id!", e.type as "type!", s.status as "status!", s.payment_id, s.tries as "tries!", s.error,
                  e.received_at as "received_at!", s.done_at
           from (select id, status, payment_id, tries, error, null::timestamptz as done_at from inbox_open where payment_id = $1
                 union all
                 select id, disposition, payment_id, tries, error, done_at from inbox_result where payment_id = $1) as s
           join inbox e on e.id = s.id
           order by e.received_at desc limit $2"#,
        payment,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The events that are dead, in the order of their ids, behind `after`.
pub(crate) async fn dead_events(
    connection: &mut PgConnection,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select e.id, e.type, o.status, o.payment_id, o.tries, o.error, e.received_at, null::timestamptz as done_at
           from (select * from inbox_open where status = 'dead' and id > $1 order by id limit $2) as o
           join inbox e on e.id = o.id order by o.id"#,
        after.unwrap_or_default(),
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The events that wait, in the order in which they are due, behind `after`; only those in one status, if one is given.
pub(crate) async fn waiting_events(
    connection: &mut PgConnection,
    status: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select e.id, e.type, o.status, o.payment_id, o.tries, o.error, e.received_at, null::timestamptz as done_at
           from (select * from inbox_open
                 where status <> 'dead' and ($1::text is null or status = $1)
                   and ($2::text is null or (due_at, id) > ((select due_at from inbox_open where id = $2), $2))
                 order by due_at, id limit $3) as o
           join inbox e on e.id = o.id order by o.due_at, o.id"#,
        status,
        after,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The events that are dealt with, the latest first, below the one that was done at that moment; of one disposition, if one is
/// given, among the newest [`EXAMINED`].
pub(crate) async fn done_events(
    connection: &mut PgConnection,
    disposition: Option<&str>,
    below: Option<(OffsetDateTime, &str)>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    let (moment, id) = below.unzip();
    sqlx::query_as!(
        Listed,
        r#"select e.id, e.type, r.disposition as status, r.payment_id, r.tries, r.error, e.received_at,
                  r.done_at as "done_at?"
           from (select * from
                    (select * from inbox_result
                     where done_at <= coalesce($2, 'infinity'::timestamptz) order by done_at desc limit $5) as newest
                 where ($1::text is null or disposition = $1)
                   and ($2::timestamptz is null or (done_at, id) < ($2, $3))
                 order by done_at desc, id desc limit $4) as r
           join inbox e on e.id = r.id order by r.done_at desc, r.id desc"#,
        disposition,
        moment,
        id,
        limit,
        EXAMINED,
    )
    .fetch_all(connection)
    .await
}

/// An event with its status and its body. A result is found by time: it came after the event.
pub(crate) async fn find(
    connection: &mut PgConnection,
    id: &str,
) -> sqlx::Result<Option<(Listed, Vec<u8>)>> {
    let event = sqlx::query!(
        r#"select e.type, e.payload, e.received_at, o.status as "status?", o.payment_id, o.tries as "tries?", o.error
           from inbox e left join inbox_open o on o.id = e.id where e.id = $1"#,
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(event) = event else {
        return Ok(None);
    };
    let mut listed = Listed {
        id: id.to_owned(),
        r#type: event.r#type,
        status: event.status.clone().unwrap_or_default(),
        payment_id: event.payment_id,
        tries: event.tries.unwrap_or_default(),
        error: event.error,
        received_at: event.received_at,
        done_at: None,
    };
    if event.status.is_none() {
        let result = sqlx::query!(
            "select disposition, payment_id, tries, error, done_at from inbox_result
             where id = $1 and done_at >= $2 order by done_at limit 1",
            id,
            event.received_at,
        )
        .fetch_optional(connection)
        .await?;
        if let Some(result) = result {
            listed.status = result.disposition;
            listed.payment_id = result.payment_id;
            listed.tries = result.tries;
            listed.error = result.error;
            listed.done_at = Some(result.done_at);
        }
    }
    Ok(Some((listed, event.payload)))
}
