//! Table `outbox`: transitions that Kafka has not acknowledged yet, and the locks of the relays that publish them.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{delivery, transition};

/// How many relays can work side by side. It may be increased, and decreased only while the table is empty: rows of a
/// shard that no longer exists would never be read.
pub(crate) const SHARDS: i16 = 4;

/// Messages read at once.
pub(crate) const PORTION: usize = 1000;

/// The first half of the advisory locks' keys; it reads `pawl`.
const LOCKS: i32 = 0x7061_776c;

/// A transition that is to be published, with the payment's amounts after it.
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

/// The messages that Kafka has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// How many transitions, counted up to 100,000.
    pub messages: i64,
    /// The age of the oldest of them.
    pub oldest: Duration,
}

/// A transition that is to be published.
#[derive(Debug)]
pub(crate) struct New<'a> {
    /// The merchant whose payment it is.
    pub(crate) account: Uuid,
    pub(crate) row: &'a transition::New,
}

/// Adds transitions in the transaction that writes them: for Kafka, and as deliveries if their merchants have enabled
/// endpoints. Those of one stream must come in the order of their versions, under the lock of its payment row: the order
/// of `seq` is then theirs.
///
/// The first statement also reads whether there are such endpoints, because it is on the path of every payment: for
/// merchants without endpoints it is the only one, and costs one read of a partial index.
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
    let mut accounts: Vec<Uuid> = transitions.iter().map(|new| new.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let has_endpoints = sqlx::query_scalar!(
        r#"with added as (
            insert into outbox (shard, stream, version)
            select * from unnest($1::int2[], $2::uuid[], $3::int8[])
         )
         select exists (select from webhook_endpoint where account_id = any($4) and status = 'enabled') as "has_endpoints!""#,
        &shards,
        &streams,
        &versions,
        &accounts,
    )
    .fetch_one(&mut *connection)
    .await?;
    if has_endpoints {
        let events: Vec<delivery::Event> = transitions.iter().map(event).collect();
        delivery::add(connection, &events, now).await?;
    }
    Ok(())
}

fn event(new: &New<'_>) -> delivery::Event {
    let moved = &new.row.transition;
    delivery::Event {
        account: new.account,
        payment: new.row.stream,
        version: moved.version,
        r#type: format!("{}.{}", moved.machine.as_str(), moved.kind),
    }
}

/// The oldest messages of a shard in order of `seq`, at most [`PORTION`].
pub(crate) async fn oldest(
    connection: &mut PgConnection,
    shard: i16,
) -> sqlx::Result<Vec<Message>> {
    // The limit is in the sub-select, so that only the rows that are returned are joined.
    sqlx::query_as!(
        Message,
        r#"select o.seq, o.stream, o.version, t.machine as "machine!", t.subject as "subject!",
                  t.from_status as "from_status!", t.kind as "kind!", t.to_status as "to_status!", t.cause as "cause!",
                  t.created_at as "created_at!", p.account_id, p.amount, p.currency,
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

/// Deletes messages that Kafka has acknowledged.
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

/// Makes this connection the relay of a shard, until it is closed; false if another connection is.
pub(crate) async fn hold(connection: &mut PgConnection, shard: i16) -> sqlx::Result<bool> {
    // A relay that vanished must not hold its shard for ever: a relay uses its connection after each portion, which Kafka
    // acknowledges or refuses within 30 s. A deletion from the outbox need not survive a crash of Postgres: the message
    // would be published twice, which is allowed.
    sqlx::raw_sql("set idle_session_timeout = '45s'; set synchronous_commit = off")
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
