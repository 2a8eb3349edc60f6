//! Table `outbox`: transitions that Kafka has not acknowledged yet, and the locks of those who relay them. What else
//! follows from every transition, the deliveries to merchants, is written by the same statement.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::transition;

/// How many relays can work side by side. Rows of a shard that no longer exists would never be read: it may grow, and
/// shrink only over an empty table.
pub(crate) const SHARDS: i16 = 4;

/// Messages read at once.
pub(crate) const PORTION: usize = 1000;

/// The first half of the advisory locks' keys; it reads `pawl`.
const LOCKS: i32 = 0x7061_776c;

/// A transition that is to be told to the world, with the payment's money after it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) seq: i64,
    pub(crate) stream: Uuid,
    pub(crate) version: i64,
    pub(crate) machine: String,
    pub(crate) subject: Uuid,
    pub(crate) from_status: String,
    pub(crate) kind: String,
    pub(crate) to_status: String,
    pub(crate) cause: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) account_id: Uuid,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) amount_capturable: i64,
    pub(crate) amount_captured: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) amount_reserved: i64,
}

/// What waits for Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// How many transitions, counted up to 100,000.
    pub messages: i64,
    /// The age of the oldest of them.
    pub oldest: Duration,
}

/// A transition that others are to hear of.
#[derive(Debug)]
pub(crate) struct New<'a> {
    /// The merchant whose payment it is.
    pub(crate) account: Uuid,
    pub(crate) row: &'a transition::New,
}

/// Adds transitions in the transaction that writes them: for Kafka, and for each enabled endpoint of their merchants that
/// asked for such events a delivery with its job. Those of one stream must come in the order of their versions, under the
/// lock of its payment row: the order of `seq` is then theirs, and the deliveries are numbered without a gap.
///
/// It is one statement, because it stands on the path of every payment: for a merchant without endpoints the deliveries
/// cost a look at a partial index.
pub(crate) async fn add(
    connection: &mut PgConnection,
    transitions: &[New<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let streams: Vec<Uuid> = transitions.iter().map(|new| new.row.stream).collect();
    let versions: Vec<i64> = transitions
        .iter()
        .map(|new| new.row.transition.version)
        .collect();
    let shards: Vec<i16> = streams.iter().copied().map(shard_of).collect();
    let accounts: Vec<Uuid> = transitions.iter().map(|new| new.account).collect();
    let types: Vec<String> = transitions
        .iter()
        .map(|new| {
            let moved = &new.row.transition;
            format!("{}.{}", moved.machine.as_str(), moved.kind)
        })
        .collect();
    // The sub-select behind `offset 0` is asked for each transition, by the index; flattened, all endpoints would be read.
    sqlx::query!(
        "with told as (
            insert into outbox (shard, stream, version)
            select * from unnest($1::int2[], $2::uuid[], $3::int8[])
         ), wanted as (
            select stream, version, account_id, type, endpoint_id,
                   coalesce((select last from webhook_sequence s where s.endpoint_id = e.endpoint_id and s.payment_id = t.stream), 0)
                   + row_number() over (partition by endpoint_id, stream order by version) as sequence
            from unnest($2::uuid[], $3::int8[], $4::uuid[], $5::text[]) as t (stream, version, account_id, type)
            cross join lateral (
                select id as endpoint_id from webhook_endpoint
                where account_id = t.account_id and status = 'enabled'
                and enabled_events && array['*', split_part(t.type, '.', 1) || '.*', t.type]
                offset 0) as e
         ), counted as (
            insert into webhook_sequence (endpoint_id, payment_id, last)
            select endpoint_id, stream, max(sequence) from wanted group by endpoint_id, stream
            on conflict (endpoint_id, payment_id) do update set last = excluded.last
         ), delivered as (
            insert into delivery (id, endpoint_id, account_id, payment_id, version, type, sequence, status, next_try_at, created_at)
            select uuid_v7(), endpoint_id, account_id, stream, version, type, sequence, 'pending', $6, $6 from wanted
            returning id, endpoint_id, payment_id
         )
         insert into job (id, endpoint_id, payment_id, subject, kind, state, due_at, call_key, created_at)
         select id, endpoint_id, payment_id, delivery_id, 'deliver_webhook', 'queued', $6, 'pawl-' || id, $6
         from (select uuid_v7() as id, endpoint_id, payment_id, id as delivery_id from delivered) as work",
        &shards,
        &streams,
        &versions,
        &accounts,
        &types,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The oldest messages of a shard in order of `seq`, at most [`PORTION`].
pub(crate) async fn oldest(
    connection: &mut PgConnection,
    shard: i16,
) -> sqlx::Result<Vec<Message>> {
    // The limit stands inside, so that the joins are made for what is read and never for whole tables.
    sqlx::query_as!(
        Message,
        r#"select o.seq, o.stream, o.version, t.machine, t.subject, t.from_status, t.kind, t.to_status, t.cause,
                  t.created_at, p.account_id, p.amount, p.currency,
                  coalesce((t.data->>'amount_capturable')::int8, p.amount_capturable) as "amount_capturable!",
                  coalesce((t.data->>'amount_captured')::int8, p.amount_captured) as "amount_captured!",
                  coalesce((t.data->>'amount_refunded')::int8, p.amount_refunded) as "amount_refunded!",
                  coalesce((t.data->>'amount_reserved')::int8, p.amount_reserved) as "amount_reserved!"
           from (select seq, stream, version from outbox where shard = $1 order by seq limit 1000) as o
           join transition t on t.stream = o.stream and t.version = o.version
           join payment p on p.id = o.stream
           order by o.seq"#,
        shard,
    )
    .fetch_all(connection)
    .await
}

/// Forgets messages that Kafka has acknowledged.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    shard: i16,
    seqs: &[i64],
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from outbox where shard = $1 and seq = any($2)",
        shard,
        seqs
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes this connection the one that relays a shard, until it is closed; false if another one is.
pub(crate) async fn hold(connection: &mut PgConnection, shard: i16) -> sqlx::Result<bool> {
    // A relay whose machine vanished must not hold its shard until TCP gives up after hours. What is removed from the
    // outbox need not survive a crash of Postgres: it would be told twice, which is allowed.
    sqlx::raw_sql(
        "set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3;
         set synchronous_commit = off",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        r#"select pg_try_advisory_lock($1, $2) as "held!""#,
        LOCKS,
        i32::from(shard)
    )
    .fetch_one(connection)
    .await
}

/// How far Kafka is behind.
pub(crate) async fn lag(pool: &PgPool) -> sqlx::Result<Lag> {
    let row = sqlx::query!(
        r#"select (select count(*) from (select 1 from outbox limit 100000) as o) as "messages!",
                  (select coalesce(extract(epoch from now() - min(t.created_at)), 0)::float8
                   from generate_series(0, $1::int4 - 1) as s (shard)
                   cross join lateral (select stream, version from outbox where outbox.shard = s.shard
                                       order by seq limit 1) as o
                   join transition t on t.stream = o.stream and t.version = o.version) as "seconds!""#,
        i32::from(SHARDS),
    )
    .fetch_one(pool)
    .await?;
    Ok(Lag {
        messages: row.messages,
        oldest: Duration::try_from_secs_f64(row.seconds).unwrap_or_default(),
    })
}

/// The shard of a stream. The last byte of an id is random.
fn shard_of(stream: Uuid) -> i16 {
    i16::from(stream.as_bytes()[15]) % SHARDS
}
