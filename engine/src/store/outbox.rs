//! Table `outbox`: transitions that Kafka has not acknowledged yet, and the locks of the relays that publish them.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::id::PaymentId;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{delivery, transition};

/// How many relays can work side by side. It may be increased, and decreased only while the table is empty: rows of a
/// shard that no longer exists would never be read.
pub(crate) const SHARDS: i16 = 4;

/// Messages read at once, besides the rest of their last row.
pub(crate) const PORTION: usize = 1000;

/// The first half of the advisory locks' keys; it reads `pawl`.
const LOCKS: i32 = 0x7061_776c;

/// A row of the outbox: messages that one transaction added to one shard.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    /// The messages as they go to Kafka, one a line, those of a stream in the order of their versions.
    pub(crate) messages: String,
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
    /// The message for Kafka, without a line break.
    pub(crate) message: String,
}

/// Adds transitions in the transaction that writes them: for Kafka, and as deliveries if their merchants have enabled
/// endpoints. Those of one stream must come in the order of their versions, under the lock of its payment row: the order
/// of `seq`, and of the lines of a row, is then theirs. All messages of a shard are one row.
///
/// The first statement also reads whether there are such endpoints, because it is on the path of every payment: for
/// merchants without endpoints it is the only one, and costs one read of a partial index.
pub(crate) async fn add(
    connection: &mut PgConnection,
    transitions: &[New<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let mut rows: BTreeMap<i16, (i32, String)> = BTreeMap::new();
    for new in transitions {
        let (count, messages) = rows.entry(shard_of(new.row.stream)).or_default();
        if *count > 0 {
            messages.push('\n');
        }
        messages.push_str(&new.message);
        *count += 1;
    }
    let shards: Vec<i16> = rows.keys().copied().collect();
    let (counts, messages): (Vec<i32>, Vec<String>) = rows.into_values().unzip();
    let mut accounts: Vec<Uuid> = transitions.iter().map(|new| new.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let has_endpoints = sqlx::query_scalar!(
        r#"with added as (
            insert into outbox (shard, count, messages, created_at)
            select shard, count, messages, $4
            from unnest($1::int2[], $2::int4[], $3::text[]) as new (shard, count, messages)
         )
         select exists (select from webhook_endpoint where account_id = any($5) and status = 'enabled') as "has_endpoints!""#,
        &shards,
        &counts,
        &messages,
        now,
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
    delivery::Event {
        account: new.account,
        payment: new.row.stream,
        version: new.row.transition.version,
        r#type: new.row.event_type(),
    }
}

/// The oldest rows of a shard in order of `seq`, until they have [`PORTION`] messages.
pub(crate) async fn oldest(connection: &mut PgConnection, shard: i16) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select seq, messages from (
              select seq, messages, sum(count) over (order by seq) - count as before
              from (select seq, messages, count from outbox where shard = $1 order by seq limit 1000) as first
           ) as counted
           where before < 1000 order by seq"#,
        shard,
    )
    .fetch_all(connection)
    .await
}

/// Deletes rows of which Kafka has acknowledged every message.
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

/// When the oldest message of a shard was written that Kafka has not acknowledged. What is older is acknowledged.
pub(crate) async fn oldest_time(
    connection: &mut PgConnection,
    shard: i16,
) -> sqlx::Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!(
        "select created_at from outbox where shard = $1 order by seq limit 1",
        shard,
    )
    .fetch_optional(connection)
    .await
}

/// How far Kafka is behind.
pub(crate) async fn lag(pool: &PgPool) -> sqlx::Result<Lag> {
    let row = sqlx::query!(
        r#"select (select least(coalesce(sum(count), 0), 100000)
                   from (select count from outbox limit 100000) as o) as "messages!",
                  (select coalesce(extract(epoch from now() - min(o.created_at)), 0)::float8
                   from generate_series(0, $1::int4 - 1) as s (shard)
                   cross join lateral (select created_at from outbox where outbox.shard = s.shard
                                       order by seq limit 1) as o) as "seconds!""#,
        i32::from(SHARDS),
    )
    .fetch_one(pool)
    .await?;
    Ok(Lag {
        messages: row.messages,
        oldest: Duration::try_from_secs_f64(row.seconds).unwrap_or_default(),
    })
}

/// The shard of a stream. Kafka's partition is the same hash of the key modulo the number of partitions: where that number
/// is a multiple of [`SHARDS`], the messages of a partition come from one relay, in larger batches.
pub(crate) fn shard_of(stream: Uuid) -> i16 {
    let key = PaymentId::from(stream).to_string();
    let shards = u32::from(SHARDS.unsigned_abs());
    // The remainder is below the number of shards.
    i16::try_from(crc32fast::hash(key.as_bytes()) % shards).unwrap_or_default()
}
