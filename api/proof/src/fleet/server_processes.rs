//! The process ids of the servers, whose CPU time belongs to a measurement.

use anyhow::Result;
use servers::Servers;
use sqlx::postgres::PgPool;

use super::cpu;

/// The process ids, by name, of those servers that run on this machine.
pub(super) async fn find(servers: &Servers, pool: &PgPool) -> Result<Vec<(String, i32)>> {
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(pool)
        .await?;
    // The process id of a server on another machine is none of this machine: such a server is not measured.
    let postgres = cpu::parent(backend);
    let mut connection = redis::Client::open(servers.redis_url.as_str())?
        .get_multiplexed_async_connection()
        .await?;
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await?;
    let redis = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .and_then(|pid| pid.trim().parse().ok());
    let kafka = match servers.kafka_process() {
        Some(id) => i32::try_from(id).ok(),
        None => cpu::find("kafka.Kafka").first().copied(),
    };
    let pids = [("postgres", postgres), ("redis", redis), ("kafka", kafka)];
    Ok(pids
        .into_iter()
        .filter_map(|(name, pid)| Some((name.to_owned(), pid?)))
        .collect())
}
