//! Table `outbox`: moves that Kafka has not acknowledged yet.

use sqlx::PgConnection;
use uuid::Uuid;

/// Over how many relays the streams are spread.
pub(crate) const SHARDS: i16 = 4;

/// Adds messages for moves, in order, in the transaction of the moves.
pub(crate) async fn add(connection: &mut PgConnection, moves: &[(Uuid, i64)]) -> sqlx::Result<()> {
    let shards: Vec<i16> = moves
        .iter()
        .map(|(stream, _)| i16::from(stream.as_bytes()[15] & 3))
        .collect();
    let streams: Vec<Uuid> = moves.iter().map(|(stream, _)| *stream).collect();
    let versions: Vec<i64> = moves.iter().map(|(_, version)| *version).collect();
    sqlx::query!(
        "insert into outbox (shard, stream, version)
         select shard, stream, version from unnest($1::int2[], $2::uuid[], $3::int8[]) as t (shard, stream, version)",
        &shards,
        &streams,
        &versions,
    )
    .execute(connection)
    .await?;
    Ok(())
}
