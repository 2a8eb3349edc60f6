-- Stripe's webhooks. A webhook is answered 2xx once its row is committed, and applied to its payment afterwards.

-- What was received. Rows are only added, and deleted after 30 days: the body is written once.
create table inbox (
    id           text         primary key,     -- Stripe's event id
    type         text         not null,
    payload      bytea        compression lz4 not null,
    received_at  timestamptz  not null
);

-- For the retention of 30 days.
create index inbox_received on inbox using brin (received_at) with (pages_per_range = 16);

-- The events that are not dealt with: they wait, or are dead and need an operator. A row is added in the statement that adds
-- the event to `inbox`, and deleted in the one that adds its result.
create table inbox_open (
    id           text         primary key,
    status       text         not null check (status in ('received', 'retrying', 'deferred', 'dead')),
    payment_id   uuid,
    tries        integer      not null default 0,
    due_at       timestamptz  not null,
    error        text
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

create index inbox_open_due on inbox_open (due_at) where status <> 'dead';
create index inbox_open_dead on inbox_open (id) where status = 'dead';
-- Events that were tried. Those that wait for their first try have no payment yet.
create index inbox_open_payment on inbox_open (payment_id) where payment_id is not null;

-- What became of the other ones. Rows are only added, and deleted after 30 days.
create table inbox_result (
    id           text         not null,
    disposition  text         not null check (disposition in ('applied', 'ignored', 'foreign', 'other_mode', 'not_understood')),
    payment_id   uuid,
    tries        integer      not null,
    error        text,         -- why it is foreign, of the other mode or not understood
    done_at      timestamptz  not null
);

-- Operators ask what Stripe sent about a payment. An index on ids would cost more than the rows: an event is found by the
-- time at which it came.
create index inbox_result_payment on inbox_result (payment_id) where payment_id is not null;
-- Operators read the newest results, and retention deletes the oldest: both at an end of this index.
create index inbox_result_done on inbox_result (done_at);

-- Each event with its status, for operators.
create view inbox_status as
    select i.id, i.type, i.received_at, coalesce(o.status, r.disposition) as status,
           coalesce(o.payment_id, r.payment_id) as payment_id, coalesce(o.tries, r.tries) as tries,
           coalesce(o.error, r.error) as error, r.done_at
    from inbox i left join inbox_open o on o.id = i.id left join inbox_result r on r.id = i.id;
