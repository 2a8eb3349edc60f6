-- What must be done, and what Stripe has told us.
--
-- Redis carries the ids of jobs; everything that decides about one stands here.

create table job (
    id             uuid         primary key,
    payment_id     uuid         not null,
    subject        uuid         not null,      -- the payment, attempt or refund that it works for
    kind           text         not null check (kind in ('create_intent', 'confirm_intent', 'capture_intent', 'cancel_intent', 'create_refund', 'resync')),
    args           jsonb        not null default '{}',
    -- dead: given up by the engine, waits for a person.
    state          text         not null check (state in ('queued', 'running', 'done', 'dead')),
    due_at         timestamptz  not null,

    -- A try ends in an answer or an error; a pick is counted before the work, so that a job which kills its process is seen.
    tries          integer      not null default 0,
    picks          integer      not null default 0,
    -- Whoever holds this random token may finish the job; a lease that ran out is taken over under another token.
    lease          uuid,
    lease_until    timestamptz,
    constraint job_running_has_lease check ((state = 'running') = (lease is not null)),

    -- The Idempotency-Key of its call, committed with the job and so before any call; the same for ever.
    call_key       text         not null,
    first_sent_at  timestamptz,
    -- Set when the call was sent and its outcome is not known; cleared when it is.
    unknown        boolean      not null default false,
    -- A resync that was asked for again while it ran: it must look once more.
    again          boolean      not null default false,
    error          text,
    created_at     timestamptz  not null,
    finished_at    timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- None of these grows with finished work.
create index job_due on job (due_at) where state = 'queued';
create index job_leased on job (lease_until) where state = 'running';
create index job_dead on job (id) where state = 'dead';

-- A payment has one call in the air that can move it. A dead one still counts: its outcome is not known.
create unique index job_one_call on job (payment_id)
    where kind in ('create_intent', 'confirm_intent', 'capture_intent', 'cancel_intent') and state <> 'done';
create unique index job_one_refund_call on job (subject)
    where kind = 'create_refund' and state <> 'done';
create unique index job_one_resync on job (payment_id)
    where kind = 'resync' and state in ('queued', 'running');
create index job_payment on job (payment_id);

-- Stripe's webhooks. The answer 2xx is sent after the row is here; what it means is worked out afterwards.
create table inbox (
    id           text         primary key,     -- Stripe's event id
    type         text         not null,
    payload      bytea        not null,
    status       text         not null check (status in ('received', 'retrying', 'deferred', 'applied', 'ignored', 'dead')),
    payment_id   uuid,
    tries        integer      not null default 0,
    due_at       timestamptz  not null,
    error        text,
    received_at  timestamptz  not null,
    done_at      timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

alter table inbox alter column payload set compression lz4;

create index inbox_due on inbox (due_at) where status in ('received', 'retrying', 'deferred');
create index inbox_dead on inbox (id) where status = 'dead';
-- For the retention of 30 days.
create index inbox_received on inbox using brin (received_at) with (pages_per_range = 16);

-- A look at a payment that must come even if nobody says anything: Stripe's webhook may be lost.
create table timer (
    payment_id  uuid         not null references payment,
    kind        text         not null check (kind in ('check', 'expire')),
    due_at      timestamptz  not null,
    -- How often it has rung; a check waits longer each time.
    rings       integer      not null default 0,
    primary key (payment_id, kind)
);

create index timer_due on timer (due_at);
