//! Table `outbox`: transitions that Kafka has not acknowledged yet, and the locks of those who relay them.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

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

/// Adds transitions, each as stream and version, in the transaction that writes them. Those of one stream must come in
/// the order of their versions, under the lock of its payment row: the order of `seq` is then theirs.
pub(crate) async fn add(
    connection: &mut PgConnection,
    transitions: &[(Uuid, i64)],
) -> sqlx::Result<()> {
    let (streams, versions): (Vec<Uuid>, Vec<i64>) = transitions.iter().copied().unzip();
    let shards: Vec<i16> = streams.iter().copied().map(shard_of).collect();
    sqlx::query!(
        "insert into outbox (shard, stream, version)
         select * from unnest($1::int2[], $2::uuid[], $3::int8[])",
        &shards,
        &streams,
        &versions,
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
