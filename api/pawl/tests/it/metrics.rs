//! `/metrics` of each service, after a payment: what Prometheus would read.

use std::collections::BTreeSet;

use sqlx::postgres::PgPool;

use crate::fleet::{Fleet, ask};

/// The metrics of each service after its start and one payment.
const METRICS: [(&str, &[&str]); 4] = [
    (
        "auth-service",
        &[
            "pawl_build_info",
            "pawl_start_time_seconds",
            "pawl_http_requests_total",
            "pawl_db_pool_connections",
        ],
    ),
    (
        "core-service",
        &[
            "pawl_build_info",
            "pawl_http_request_seconds_bucket",
            "pawl_db_pool_connections",
        ],
    ),
    (
        "gateway",
        &[
            "pawl_payments_created_total",
            "pawl_transitions_total",
            "pawl_committer_group_size_count",
            "pawl_cache_reads_total",
            "pawl_http_requests_total",
            "pawl_db_pool_connections",
        ],
    ),
    (
        "worker-service",
        &[
            "pawl_jobs_total",
            "pawl_job_seconds_count",
            "pawl_jobs_open",
            "pawl_jobs_oldest_due_seconds",
            "pawl_jobs_dead",
            "pawl_deliveries_waiting",
            "pawl_deliveries_oldest_due_seconds",
            "pawl_stripe_calls_total",
            "pawl_stripe_call_seconds_count",
            "pawl_breaker_open",
            "pawl_stripe_refused_key",
            "pawl_inbox_total",
            "pawl_inbox_backlog",
            "pawl_outbox_messages",
            "pawl_outbox_oldest_seconds",
            "pawl_kafka_published_total",
            "pawl_transitions_total",
        ],
    ),
];

#[tokio::test]
async fn each_service_exposes_its_metrics_once_and_without_ids() {
    let fleet = Fleet::start(&[("RUST_LOG", "warn")]).await;
    let pay = fleet
        .pay("pm_card_visa", "counted")
        .header("X-API-Key", &fleet.api_key);
    let payment = ask(pay, 201).await;
    fleet
        .reaches(
            "worker-service",
            "pawl_kafka_published_total",
            r#"result="published""#,
            5.0,
        )
        .await;
    fleet
        .reaches("worker-service", "pawl_inbox_total", "", 2.0)
        .await;
    for (service, names) in METRICS {
        let page = fleet.metrics(service).await;
        for name in names {
            assert!(
                page.lines().any(|line| line.starts_with(name)),
                "{name} of {service}:\n{page}"
            );
        }
        is_well_formed(&page);
        let suffix = payment["id"].as_str().unwrap().trim_start_matches("pay_");
        for id in [
            suffix,
            "pay_",
            "job_0",
            "acct_",
            "req_",
            "pi_",
            "evt_",
            "key_",
            fleet.api_key.as_str(),
        ] {
            assert!(
                !page.contains(id),
                "{id} is in the metrics of {service}:\n{page}"
            );
        }
    }
    let created = fleet
        .metric("gateway", "pawl_payments_created_total", "")
        .await;
    assert!((created - 1.0).abs() < f64::EPSILON, "{created}");
    waiting_work_is_counted(&fleet).await;
}

/// No series appears twice, and the kind of each is declared before it.
fn is_well_formed(page: &str) {
    let (mut seen, mut kinds, mut explained) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in page.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("#"), Some("TYPE"), Some(name)) => assert!(kinds.insert(name), "{line}"),
            (Some("#"), Some("HELP"), Some(name)) => assert!(explained.insert(name), "{line}"),
            _ => {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(seen.insert(series), "{line} appears twice");
                let name = series.split('{').next().unwrap();
                let of = ["_bucket", "_sum", "_count"]
                    .into_iter()
                    .find_map(|end| name.strip_suffix(end));
                assert!(name.starts_with("pawl_"), "{line}");
                assert!(
                    kinds.contains(name) || of.is_some_and(|of| kinds.contains(of)),
                    "{line}"
                );
            }
        }
    }
    assert_eq!(kinds, explained);
}

/// Any worker counts the waiting work in Postgres.
async fn waiting_work_is_counted(fleet: &Fleet) {
    let pool = PgPool::connect(fleet.variable("DATABASE_URL"))
        .await
        .unwrap();
    for statement in [
        r#"insert into job (id, payment_id, subject, effect, state, due_at, call_key, created_at)
           select id, id, id, '{"kind": "resync"}', state, now() + due * interval '1 hour', id::text, now()
           from (values (gen_random_uuid(), 'dead', -1), (gen_random_uuid(), 'dead', -1), (gen_random_uuid(), 'queued', 1))
                as it (id, state, due)"#,
        "with event as (insert into inbox (id, type, payload, received_at)
                        values ('evt_waits', 'charge.updated', '{}', now()) returning id)
         insert into inbox_open (id, status, due_at) select id, 'deferred', now() + interval '1 hour' from event",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    for (name, labels, count) in [
        ("pawl_jobs_dead", "", 2.0),
        ("pawl_jobs_open", r#"state="queued""#, 1.0),
        ("pawl_inbox_backlog", "", 1.0),
    ] {
        fleet.reaches("worker-service", name, labels, count).await;
    }
}
