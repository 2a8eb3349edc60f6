-- Calls to Stripe that must be made, and when a payment must be compared with Stripe's object.
--
-- The Redis queue carries the ids of jobs and nothing else; the state of each job is here.

-- A try of a job, or what ended it. `calls` are its requests to Stripe: [{"call": "confirm_intent", "status": 200, …}].
create type job_try as (
    number      integer,
    started_at  timestamptz,
    ended_at    timestamptz,
    worker      text,         -- the process that had the lease
    -- done, again (it failed and is tried again), unsent (no call reached Stripe, so that it counts as no try), dead,
    -- lost (the lease ended without a result), superseded (its outcome was known before its answer came)
    outcome     text,
    error       text,
    calls       jsonb,
    times       integer       -- how often in a row; above 1 only where it was unsent
);

-- Adds a try to those that are kept: the first and the newest 49, so that a job which is tried for days stays a small row.
-- One that was not sent for the same reason as the one before it takes its place.
create function with_try(kept job_try[], next job_try) returns job_try[] language plpgsql immutable as $$
declare
    last job_try := kept[cardinality(kept)];
begin
    if next.outcome = 'unsent' and last.outcome = 'unsent' and next.error is not distinct from last.error then
        next.started_at := last.started_at;
        next.times := last.times + 1;
        return kept[:cardinality(kept) - 1] || next;
    end if;
    if cardinality(kept) >= 50 then
        return kept[1:1] || kept[3:] || next;
    end if;
    return kept || next;
end
$$;

-- The class of an error: the same for errors that differ in ids and numbers only.
create function error_class(error text) returns text language sql immutable strict parallel safe as $$
    select left(md5(regexp_replace(regexp_replace(error,
        '\m[A-Za-z]+_(?=[A-Za-z_]*[0-9])[A-Za-z0-9_]{8,}\M|\m[0-9a-f]{8}-[0-9a-f-]{27}\M', '…', 'g'),
        '[0-9]+', '0', 'g')), 16)
$$;

create table job (
    id             uuid         primary key,
    payment_id     uuid         not null,
    subject        uuid         not null,      -- the payment, attempt, capture, refund or dispute that it is about
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
    -- The client's request behind the call, which Stripe keeps in its object's metadata: {"idempotency_key", "body_hash",
    -- "reference"}. Like every parameter of the call it never changes, because Stripe refuses a key with other parameters.
    request        jsonb,
    first_sent_at  timestamptz,
    -- The call may have been executed, and its outcome is not known.
    unknown        boolean      not null default false,
    -- A resync that was requested again while it ran: it must run once more.
    again          boolean      not null default false,
    error          text,
    error_class    text         generated always as (error_class(error)) stored,

    -- The try that runs, or the last one, and the tries before it. They are kept as long as the job.
    started_at     timestamptz,
    worker         text,
    past_tries     job_try[]    not null default '{}',

    created_at     timestamptz  not null,
    finished_at    timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- None of these grows with finished work.
create index job_due on job (due_at) where state = 'queued';
create index job_leased on job (lease_until) where state = 'running';
create index job_dead on job (id) where state = 'dead';
create index job_unknown on job (first_sent_at) where unknown and state in ('queued', 'running');
create index job_dead_error on job (error_class, id) where state = 'dead';

-- A payment has at most one unfinished call that can move it. A dead one counts: its outcome is not known.
create unique index job_one_call on job (payment_id)
    where kind not in ('create_refund', 'update_dispute', 'close_dispute', 'resync') and state <> 'done';
create unique index job_one_refund_call on job (subject)
    where kind = 'create_refund' and state <> 'done';
create unique index job_one_dispute_call on job (subject)
    where kind in ('update_dispute', 'close_dispute') and state <> 'done';
create unique index job_one_resync on job (payment_id)
    where kind = 'resync' and state in ('queued', 'running');
-- The finished and the dead jobs of a payment, for operators; the three above find the others. One entry for each job.
create index job_ended on job (payment_id) where state in ('done', 'dead');

-- When a payment is compared with Stripe's object (check) or canceled (expire), even if no webhook arrives, and when its
-- merchant is reminded that evidence of a dispute is due (evidence), or its authorization ends (authorization).
create table timer (
    payment_id  uuid         not null references payment,
    kind        text         not null check (kind in ('check', 'expire', 'evidence', 'authorization')),
    due_at      timestamptz  not null,
    -- A check waits longer each time it fires.
    times_fired integer      not null default 0,
    primary key (payment_id, kind)
);

create index timer_due on timer (due_at);
