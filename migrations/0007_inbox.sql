-- Stripe's webhooks. A webhook is answered 2xx once its row is committed, and applied to its payment afterwards.

create table inbox (
    id           text         primary key,     -- Stripe's event id
    type         text         not null,
    payload      bytea        compression lz4 not null,
    status       text         not null check (status in ('received', 'retrying', 'deferred', 'applied', 'ignored', 'foreign', 'other_mode', 'not_understood', 'dead')),
    payment_id   uuid,
    tries        integer      not null default 0,
    due_at       timestamptz  not null,
    error        text,
    received_at  timestamptz  not null,
    done_at      timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

create index inbox_due on inbox (due_at) where status in ('received', 'retrying', 'deferred');
create index inbox_dead on inbox (id) where status = 'dead';
-- For the retention of 30 days.
create index inbox_received on inbox using brin (received_at) with (pages_per_range = 16);
