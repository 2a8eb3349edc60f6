//! Invented payments for measurements.

use crate::manage::{lines, run};

#[test]
fn invented_payments_are_written_once_agree_with_their_history_and_are_read_by_the_engine() {
    let output = run(r#"
        ask() { psql -qAt "$DATABASE_URL" -c "$1"; }
        DATABASE_URL=postgres://pawl@db.example.com/pawl $PAWL seed --payments 1 2>&1 | grep -o 'on db.example.com, not on this machine'
        ! $PAWL seed --payments 10 --jobs 11 >&2
        $PAWL seed --payments 12000 --jobs 1200 | grep invented
        $PAWL seed --payments 10 2>&1 | grep -o 'the database has payments'
        $PAWL seed --payments 10 --force | grep invented
        ask "select count(*), count(distinct status) from payment"
        ask "select state, unknown, count(*) from job group by 1, 2 order by 1, 2"
        ask "select count(distinct error_class) from job where state = 'dead'"
        ask "select count(*) from payment join lateral (
                 select last_version, data from history where stream = id order by last_version desc limit 1) as last on true
             where last_version <> version or (data ->> 'amount_captured')::bigint <> amount_captured
                   or (data ->> 'amount_refunded')::bigint <> amount_refunded
                   or coalesce((select sum(amount) from refund where payment_id = payment.id), 0) <> amount_refunded"
        ask "select count(*) from payment where (open_call is null) = exists (
                 select from job where payment_id = payment.id and kind = 'confirm_intent' and state <> 'done')"
        ask "select count(*) from payment where status = 'succeeded' and amount_refunded > 0" | sed 's/^[1-9].*/some refunded/'
        for kind in 'amount_refunded > 0' "status = 'requires_payment_method'" "open_call is not null"; do
            $PAWL payments show "$($PAWL id --as pay "$(ask "select id from payment where $kind limit 1")")" -o json >/dev/null
        done
        $PAWL jobs list --state dead -o json >/dev/null
        "#);
    let expected = [
        "on db.example.com, not on this machine",
        "12000 invented payments and 1200 jobs are there",
        "the database has payments",
        "10 invented payments and 0 jobs are there",
        "12010|7",
        "dead|f|120",
        "dead|t|120",
        "done|f|720",
        "queued|f|120",
        "queued|t|120",
        "4",
        "0",
        "0",
        "some refunded",
    ];
    assert_eq!(lines(&output), expected);
}
