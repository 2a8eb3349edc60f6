-- Calls to Stripe that must be made, and when a payment must be compared with Stripe's object.
--
-- The Redis queue carries the ids of jobs and nothing else; the state of each job is here.

create table job (
    id             uuid         primary key,
    payment_id     uuid         not null,
    subject        uuid         not null,      -- the payment, attempt, capture or refund that it is about
    -- What it does: a workflows::effect::Effect, such as {"kind": "cancel_intent", "reason": "abandoned"}.
    effect         jsonb        not null,
    kind           text         not null generated always as (effect ->> 'kind') stored,
    -- dead: the engine gave it up; it needs an operator.
    state          text         not null check (state in ('queued', 'running', 'done', 'dead')),
    due_at         timestamptz  not null,

    -- A try ends in an answer or an error. A pick is counted before the work begins, so that a job that kills its process
    -- is recognised.
    tries          integer      not null default 0,
    picks          integer      not null default 0,
    -- The worker with this random token may finish the job; after lease_until another worker takes it with a new token.
    lease          uuid,
    lease_until    timestamptz,
    constraint job_running_has_lease check ((state = 'running') = (lease is not null)),

    -- The Idempotency-Key of its call. It is committed with the job, so before any call, and never changes.
    call_key       text         not null,
    first_sent_at  timestamptz,
    -- The call may have been executed, and its outcome is not known.
    unknown        boolean      not null default false,
    -- A resync that was requested again while it ran: it must run once more.
    again          boolean      not null default false,
    error          text,
    created_at     timestamptz  not null,
    finished_at    timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- None of these grows with finished work.
create index job_due on job (due_at) where state = 'queued';
create index job_leased on job (lease_until) where state = 'running';
create index job_dead on job (id) where state = 'dead';
create index job_unknown on job (first_sent_at) where unknown and state in ('queued', 'running');

-- A payment has at most one unfinished call that can move it. A dead one counts: its outcome is not known.
create unique index job_one_call on job (payment_id)
    where kind not in ('create_refund', 'resync') and state <> 'done';
create unique index job_one_refund_call on job (subject)
    where kind = 'create_refund' and state <> 'done';
create unique index job_one_resync on job (payment_id)
    where kind = 'resync' and state in ('queued', 'running');

-- When a payment is compared with Stripe's object (check) or canceled (expire), even if no webhook arrives.
create table timer (
    payment_id  uuid         not null references payment,
    kind        text         not null check (kind in ('check', 'expire')),
    due_at      timestamptz  not null,
    -- A check waits longer each time it fires.
    times_fired integer      not null default 0,
    primary key (payment_id, kind)
);

create index timer_due on timer (due_at);
