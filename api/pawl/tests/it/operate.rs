//! `pawl jobs`, `pawl payments`, `pawl queues`, `pawl webhooks`, `pawl users staff` and `pawl completions`, on a database that was only migrated.

use serde_json::Value;

use crate::manage::{lines, run};

/// Two dead jobs and one that waits, of two payments.
const JOBS: &str = r#"
    psql -qAt "$DATABASE_URL" <<'SQL' >&2
        insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, created_at, updated_at)
        select ('01889d89-df3a-7aea-bc61-bd1eefb8d88' || n)::uuid, gen_random_uuid(), 'local_created', 1, 1099, 'eur', 'automatic',
               false, now(), now() from generate_series(1, 3) as n;
        insert into job (id, payment_id, subject, effect, state, due_at, call_key, error, created_at)
        select ('01889d89-df3a-7aea-bc61-bd1eefb8d89' || n)::uuid, ('01889d89-df3a-7aea-bc61-bd1eefb8d88' || n)::uuid,
               gen_random_uuid(), '{"kind": "create_intent"}', case n when 3 then 'queued' else 'dead' end, now(), 'key-' || n,
               'no answer from pi_3Nxyz1234567' || n, now() from generate_series(1, 3) as n;
SQL
"#;

#[test]
fn dead_jobs_are_shown_before_they_are_retried_together() {
    let script = format!(
        r#"{JOBS}
        $PAWL jobs list -o json | tr -d '\n'; echo
        ! $PAWL jobs retry </dev/null
        ! $PAWL jobs retry --filter error=PI_3NX </dev/null
        $PAWL jobs retry --filter error=PI_3NX --dry-run | tail -1
        $PAWL jobs retry --filter error=PI_3NX --yes --reason 'Stripe is back' | tail -1
        $PAWL jobs retry --filter error=PI_3NX --yes
        psql -qAt "$DATABASE_URL" -c "select string_agg(state, ',' order by id) from job"
        psql -qAt "$DATABASE_URL" -c "select string_agg(distinct action || ' ' || outcome || ' ' || reason, ',') from audit"
        $PAWL jobs show $(psql -qAt "$DATABASE_URL" -c "select id from job limit 1" | xargs $PAWL id --as job) | head -1"#
    );
    let lines = lines(&run(&script));
    let listed: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed[0]["state"], "dead");
    let rest: Vec<&str> = lines[1..].iter().map(String::as_str).collect();
    assert!(rest.contains(&"2 jobs would be retried"), "{rest:?}");
    assert!(rest.contains(&"2 of 2 jobs retried"), "{rest:?}");
    assert!(rest.contains(&"no job would be retried"), "{rest:?}");
    assert!(rest.contains(&"queued,queued,queued"), "{rest:?}");
    assert!(
        rest.contains(&"job_retried done Stripe is back,job_retried requested Stripe is back"),
        "{rest:?}"
    );
    assert!(
        rest.last().unwrap().starts_with("job      job_"),
        "{rest:?}"
    );
}

#[test]
fn a_payment_is_explained_and_compared_with_stripe() {
    let script = format!(
        r#"{JOBS}
        PAY=$(psql -qAt "$DATABASE_URL" -c "select id from payment order by id limit 1" | xargs $PAWL id --as pay)
        $PAWL payments explain $PAY
        $PAWL payments explain $PAY -o json | tr -d '\n'; echo
        $PAWL payments resync $PAY --dry-run
        psql -qAt "$DATABASE_URL" -c "select count(*) from audit"
        $PAWL payments resync $PAY --reason 'a test'
        ! $PAWL payments resync pay_01h2xcejqtf2nbrexx3vqjhp41
        psql -qAt "$DATABASE_URL" -c "select string_agg(action || ' ' || outcome || ' ' || coalesce(reason, ''), ',' order by id) from audit""#
    );
    let lines = lines(&run(&script));
    let text = lines.join("\n");
    assert!(
        lines[0].starts_with("pay_") && lines[0].ends_with("local_created"),
        "{text}"
    );
    assert!(
        lines
            .iter()
            .any(|it| it.starts_with("call      create_intent dead job_")),
        "{text}"
    );
    assert!(
        lines
            .iter()
            .any(|it| it.starts_with("operator  retry_job: POST")),
        "{text}"
    );
    let [json, dry, before, done, audited] = &lines[lines.len() - 5..] else {
        panic!("{text}");
    };
    let explanation: Value = serde_json::from_str(json).unwrap();
    assert_eq!(explanation["waits_for"], "operator");
    assert!(dry.ends_with("would be compared with Stripe"), "{text}");
    assert_eq!(before, "0");
    assert!(
        done.ends_with("is compared with Stripe by a worker"),
        "{text}"
    );
    let acts = "payment_resynced requested a test,payment_resynced done a test";
    assert_eq!(audited, acts);
}

#[test]
fn queues_are_paused_and_staff_is_named_from_the_command_line_alone() {
    let script = format!(
        r#"{JOBS}
        $PAWL queues pause create_intent --by ada --dry-run
        $PAWL queues pause create_intent --by ada --reason 'a test'
        $PAWL queues pause create_intent --by ada
        ! $PAWL queues pause sleep --by ada
        $PAWL queues list -o json | tr -d '\n'; echo
        $PAWL queues resume create_intent --by ada
        $PAWL webhooks list
        $PAWL users create --email ada@example.org --role user </dev/null >&2
        $PAWL users staff --email ada@example.org --role operator
        $PAWL users staff
        $PAWL users staff --email ada@example.org --remove
        ! $PAWL users staff --email bob@example.org --role admin
        ! $PAWL users staff --email ada@example.org
        psql -qAt "$DATABASE_URL" -c "select count(*) from staff"
        $PAWL completions bash | head -1"#
    );
    let lines = lines(&run(&script));
    let text = lines.join("\n");
    assert!(lines[0].contains("would be paused"), "{text}");
    assert!(lines[1].starts_with("create_intent is paused"), "{text}");
    assert!(lines[2].starts_with("nothing to change"), "{text}");
    let queues: Value = serde_json::from_str(&lines[3]).unwrap();
    let queue = queues
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["kind"] == "create_intent");
    let queue = queue.unwrap();
    assert_eq!(
        (&queue["paused"], &queue["waiting"]),
        (&true.into(), &1.into()),
        "{queue}"
    );
    assert!(
        text.contains("ada@example.org has operator of the house (before: none)"),
        "{text}"
    );
    assert!(
        text.contains("ada@example.org has no role of the house (before: operator)"),
        "{text}"
    );
    assert_eq!(lines[lines.len() - 2], "0", "{text}");
    assert!(lines.last().unwrap().contains("pawl"), "{text}");
}
