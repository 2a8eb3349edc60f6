//! Rows that were kept long enough are deleted, however many there are.

use crate::world::World;

/// More than two portions of the statements that delete.
const ROWS: i32 = 12_001;

#[tokio::test]
async fn retention_keeps_up_with_any_number_of_expired_rows() {
    let world = World::start().await;
    for fill in [
        "insert into idempotency (account_id, method, path, key, body_hash, status, body, payment_id, subject, version, created_at)
         select gen_random_uuid(), 'POST', '/', n::text, '', 200, '', gen_random_uuid(), gen_random_uuid(), 1,
                now() - case when n <= 10 then interval '23 hours' else interval '25 hours' end
         from generate_series(1, $1) as n",
        "insert into job (id, payment_id, subject, effect, state, due_at, call_key, created_at, finished_at)
         select (lpad(to_hex((extract(epoch from now() - age) * 1000)::bigint), 12, '0')
                 || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid,
                gen_random_uuid(), gen_random_uuid(), '{\"kind\": \"resync\"}', 'done', now() - age, n::text, now() - age, now() - age
         from generate_series(1, $1) as n,
              lateral (select case when n <= 10 then interval '6 days' else interval '8 days' end as age) as it",
        // Of the events that are old enough, three are still open.
        "with event as (
            insert into inbox (id, type, payload, received_at)
            select 'evt_' || n, 'charge.updated', '',
                   now() - case when n <= 7 then interval '29 days' else interval '31 days' end
            from generate_series(1, $1) as n returning id)
         insert into inbox_open (id, status, due_at)
         select id, 'dead', now() from event where id in ('evt_8', 'evt_9', 'evt_10')",
        "insert into inbox_result (id, disposition, tries, done_at)
         select 'evt_' || n, 'applied', 1,
                now() - case when n <= 10 then interval '29 days' else interval '31 days' end
         from generate_series(1, $1) as n",
    ] {
        sqlx::query(fill)
            .bind(ROWS)
            .execute(world.database.pool())
            .await
            .unwrap();
    }
    world.worker.delete_expired().await.unwrap();
    for table in ["idempotency", "job", "inbox", "inbox_result"] {
        let count = format!("select count(*) from {table}");
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .fetch_one(world.database.pool())
            .await
            .unwrap();
        assert_eq!(
            left, 10,
            "{table} keeps what is not expired, and nothing else"
        );
    }
}
