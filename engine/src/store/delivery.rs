//! Tables `delivery`, `delivery_try` and `webhook_sequence`: events on their way to merchants, and the log of it.
//!
//! Deliveries are written by `outbox::add`, in the one statement of what follows from a transition.

use contracts::event::EventData;
use contracts::id::{EventId, subject};
use contracts::webhook::{DeliveryStatus, Message, MessageData};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

/// How many tries of one delivery are shown.
const SHOWN: i64 = 100;

/// What is to be sent, and where. (Neither this nor its target can be printed: they hold secrets.)
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) endpoint: Uuid,
    /// None when the endpoint is not enabled.
    pub(crate) target: Option<Target>,
    pub(crate) message: Message,
}

/// Where an endpoint is, and what it knows the sender by.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// The newest first.
    pub(crate) secrets: Vec<Vec<u8>>,
}

/// A call that was made.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    pub(crate) started_at: OffsetDateTime,
    pub(crate) duration_ms: i32,
    pub(crate) code: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) response_body: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) delivery: Uuid,
    pub(crate) status: DeliveryStatus,
    /// Until the next try, while it is pending.
    pub(crate) seconds: f64,
    pub(crate) call: Option<Try>,
}

/// A delivery as its merchant sees it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) payment_id: Uuid,
    pub(crate) version: i64,
    pub(crate) r#type: String,
    pub(crate) sequence: i64,
    pub(crate) status: String,
    pub(crate) tries: i32,
    pub(crate) last_code: Option<i32>,
    pub(crate) next_try_at: Option<OffsetDateTime>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) finished_at: Option<OffsetDateTime>,
}

/// A try of a delivery, with its number.
#[derive(Debug, Clone)]
pub(crate) struct ListedTry {
    pub(crate) number: i32,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) duration_ms: i32,
    pub(crate) code: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) response_body: Option<String>,
}

/// What these deliveries send, each with its id. The facts are those of the transition, so every try sends the same
/// bytes.
pub(crate) async fn parcels(
    pool: &PgPool,
    deliveries: &[Uuid],
) -> sqlx::Result<Vec<(Uuid, Parcel)>> {
    let rows = sqlx::query!(
        r#"select d.id, d.endpoint_id, d.account_id, d.payment_id, d.version, d.type, d.sequence, e.url as "url?",
                  array(select secret from webhook_secret s
                        where s.endpoint_id = d.endpoint_id and (s.ends_at is null or s.ends_at > now())
                        order by number desc) as "secrets!",
                  t.machine, t.subject, t.from_status, t.kind, t.to_status, t.cause, t.created_at, p.amount, p.currency,
                  coalesce((t.data->>'amount_capturable')::int8, p.amount_capturable) as "amount_capturable!",
                  coalesce((t.data->>'amount_captured')::int8, p.amount_captured) as "amount_captured!",
                  coalesce((t.data->>'amount_refunded')::int8, p.amount_refunded) as "amount_refunded!",
                  coalesce((t.data->>'amount_reserved')::int8, p.amount_reserved) as "amount_reserved!"
           from delivery d
           join transition t on t.stream = d.payment_id and t.version = d.version
           join payment p on p.id = d.payment_id
           left join webhook_endpoint e on e.id = d.endpoint_id and e.status = 'enabled'
           where d.id = any($1)"#,
        deliveries,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        let parcel = Parcel {
            endpoint: row.endpoint_id,
            target: row.url.map(|url| Target {
                url,
                secrets: row.secrets,
            }),
            message: Message {
                r#type: row.r#type,
                timestamp: row.created_at,
                data: MessageData {
                    event_id: EventId::new(row.payment_id.into(), row.version),
                    endpoint_id: row.endpoint_id.into(),
                    sequence: row.sequence,
                    event: EventData {
                        payment_id: row.payment_id.into(),
                        account_id: row.account_id.into(),
                        subject: subject(&row.machine, row.subject),
                        machine: row.machine.into(),
                        kind: row.kind.into(),
                        from: (row.from_status != "none").then(|| row.from_status.into()),
                        to: row.to_status.into(),
                        version: row.version,
                        cause: row.cause,
                        amount: row.amount,
                        currency: row.currency,
                        amount_capturable: row.amount_capturable,
                        amount_captured: row.amount_captured,
                        amount_refunded: row.amount_refunded,
                        amount_reserved: row.amount_reserved,
                    },
                },
            },
        };
        (row.id, parcel)
    });
    Ok(read.collect())
}

/// Writes what became of deliveries, and their calls into the log.
pub(crate) async fn mark(connection: &mut PgConnection, marks: &[Mark]) -> sqlx::Result<()> {
    let deliveries: Vec<Uuid> = marks.iter().map(|mark| mark.delivery).collect();
    let statuses: Vec<String> = marks
        .iter()
        .map(|mark| mark.status.as_str().to_owned())
        .collect();
    let seconds: Vec<f64> = marks.iter().map(|mark| mark.seconds).collect();
    let calls = || marks.iter().map(|mark| mark.call.as_ref());
    let starts: Vec<Option<OffsetDateTime>> = calls()
        .map(|call| call.map(|call| call.started_at))
        .collect();
    let durations: Vec<Option<i32>> = calls()
        .map(|call| call.map(|call| call.duration_ms))
        .collect();
    let codes: Vec<Option<i32>> = calls().map(|call| call?.code).collect();
    let errors: Vec<Option<String>> = calls().map(|call| call?.error.clone()).collect();
    let bodies: Vec<Option<String>> = calls().map(|call| call?.response_body.clone()).collect();
    sqlx::query!(
        "with marked as (
            update delivery d set
                status = t.status, tries = tries + (t.started_at is not null)::int,
                last_code = case when t.started_at is null then d.last_code else t.code end,
                next_try_at = case t.status when 'pending' then now() + make_interval(secs => t.seconds) end,
                finished_at = case t.status when 'pending' then null else now() end
            from unnest($1::uuid[], $2::text[], $3::float8[], $4::timestamptz[], $5::int4[], $6::int4[], $7::text[], $8::text[])
                 as t (id, status, seconds, started_at, duration_ms, code, error, response_body)
            where d.id = t.id
            returning d.id, d.tries, t.started_at, t.duration_ms, t.code, t.error, t.response_body
         )
         insert into delivery_try (delivery_id, number, started_at, duration_ms, code, error, response_body)
         select id, tries, started_at, duration_ms, code, error, response_body from marked where started_at is not null",
        &deliveries,
        &statuses,
        &seconds,
        &starts as &[Option<OffsetDateTime>],
        &durations as &[Option<i32>],
        &codes as &[Option<i32>],
        &errors as &[Option<String>],
        &bodies as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes a delivery wait for a try at once, whatever became of it before.
pub(crate) async fn reopen(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update delivery set status = 'pending', next_try_at = now(), finished_at = null where id = $1",
        id
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A delivery of the endpoint.
pub(crate) async fn read(
    connection: &mut PgConnection,
    endpoint: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<Listed>> {
    sqlx::query_as!(
        Listed,
        "select id, endpoint_id, payment_id, version, type, sequence, status, tries, last_code, next_try_at, created_at, finished_at
         from delivery where id = $2 and endpoint_id = $1",
        endpoint,
        id,
    )
    .fetch_optional(connection)
    .await
}

/// The latest tries of a delivery, the newest first.
pub(crate) async fn tries(
    connection: &mut PgConnection,
    delivery: Uuid,
) -> sqlx::Result<Vec<ListedTry>> {
    sqlx::query_as!(
        ListedTry,
        "select number, started_at, duration_ms, code, error, response_body
         from delivery_try where delivery_id = $1 order by number desc limit $2",
        delivery,
        SHOWN,
    )
    .fetch_all(connection)
    .await
}

/// Deliveries of an endpoint in one of these statuses, below `before`, the newest first; or above `after`, the oldest
/// first.
pub(crate) async fn page(
    connection: &mut PgConnection,
    endpoint: Uuid,
    statuses: &[String],
    before: Option<Uuid>,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    // Of each status its own portion, by an index: few of them may be spread among millions of another.
    if let Some(after) = after {
        sqlx::query_as!(
            Listed,
            r#"select id as "id!", endpoint_id as "endpoint_id!", payment_id as "payment_id!", version as "version!", type as "type!",
                      sequence as "sequence!", d.status as "status!", tries as "tries!", last_code, next_try_at,
                      created_at as "created_at!", finished_at
               from unnest($2::text[]) as wanted (status)
               cross join lateral (select * from delivery where endpoint_id = $1 and status = wanted.status and id > $3
                                   order by id limit $4) as d
               order by id limit $4"#,
            endpoint,
            statuses,
            after,
            limit,
        )
        .fetch_all(connection)
        .await
    } else {
        sqlx::query_as!(
            Listed,
            r#"select id as "id!", endpoint_id as "endpoint_id!", payment_id as "payment_id!", version as "version!", type as "type!",
                      sequence as "sequence!", d.status as "status!", tries as "tries!", last_code, next_try_at,
                      created_at as "created_at!", finished_at
               from unnest($2::text[]) as wanted (status)
               cross join lateral (select * from delivery where endpoint_id = $1 and status = wanted.status and id < $3
                                   order by id desc limit $4) as d
               order by id desc limit $4"#,
            endpoint,
            statuses,
            before.unwrap_or(Uuid::max()),
            limit,
        )
        .fetch_all(connection)
        .await
    }
}

/// Forgets finished deliveries whose events happened before the moment that `oldest` was made at, with their tries, at
/// most `limit`. The ids' order is that of time, so the look ends where younger ones begin.
pub(crate) async fn forget_old(
    connection: &mut PgConnection,
    oldest: Uuid,
    limit: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with old as (
            delete from delivery where id in
                (select id from delivery where id < $1 and status <> 'pending' order by id limit $2)
            returning id)
         delete from delivery_try where delivery_id in (select id from old)",
        oldest,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets the counters of deleted endpoints, at most `limit`.
pub(crate) async fn forget_counters(
    connection: &mut PgConnection,
    limit: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from webhook_sequence s using (
            select endpoint_id, payment_id from webhook_endpoint e
            join webhook_sequence on webhook_sequence.endpoint_id = e.id
            where e.status = 'deleted' and e.updated_at < now() - interval '1 day' limit $1) as old
         where s.endpoint_id = old.endpoint_id and s.payment_id = old.payment_id",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
