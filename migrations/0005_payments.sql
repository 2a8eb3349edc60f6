-- What Pawl knows of each payment, and every move that brought it there.
--
-- A stream is a payment with its attempts, captures, refunds and disputes. Whoever writes to a stream locks its payment row first, always:
-- that one lock is what keeps two workers, a webhook and a client from deciding at the same moment.

create table payment (
    id                    uuid         primary key,     -- v7: grows with time, so lists by id are lists by age
    account_id            uuid         not null,
    status                text         not null,
    -- Number of the last transition in this stream; the next one is version + 1. It never has a gap.
    version               bigint       not null check (version > 0),

    amount                bigint       not null check (amount > 0),
    currency              text         not null check (currency ~ '^[a-z]{3}$'),
    capture_method        text         not null check (capture_method in ('automatic', 'manual')),

    -- The money of this payment in the unit of `amount`. The application keeps these rules;
    -- the database refuses to store that they were broken.
    amount_authorized     bigint       not null default 0 check (amount_authorized >= 0),
    amount_capturable     bigint       not null default 0 check (amount_capturable >= 0),
    amount_captured       bigint       not null default 0 check (amount_captured >= 0),
    amount_refunded       bigint       not null default 0 check (amount_refunded >= 0),
    -- Requested as refunds but not yet refunded. Not part of a rule with amount_captured here: a refund made in Stripe's dashboard
    -- may exceed a reservation of ours, and what happened at Stripe is never refused.
    amount_reserved       bigint       not null default 0 check (amount_reserved >= 0),
    constraint payment_captured_within_authorized check (amount_captured <= amount_authorized),
    constraint payment_refunded_within_captured check (amount_refunded <= amount_captured),

    -- Confirm as soon as the intent exists.
    confirm               boolean      not null,
    payment_method        text,
    return_url            text,
    intent_id             text         constraint payment_intent unique,
    client_secret         text,
    next_action           jsonb,
    last_error            jsonb,       -- why the last attempt or call failed
    -- The failure that Stripe's intent showed last; while a confirm is under way, the one that it showed before.
    shown_error           jsonb,
    cancellation_reason   text,
    -- A dispute of it is open or lost, and how many have not ended, inquiries too: see 0013_disputes.sql.
    disputed              boolean      not null default false,
    open_disputes         integer      not null default 0 check (open_disputes >= 0),
    -- Reviews and early warnings of fraud: [{"source", "id", "open"}].
    holds                 jsonb        not null default '[]',
    capture_before        bigint,      -- Unix seconds, as Stripe gives it
    -- What happens before that, and the capture_before for which it has happened.
    authorization_expiry  text         not null default 'alert' check (authorization_expiry in ('alert', 'capture', 'cancel')),
    expiry_noted          bigint,
    cancel_requested      boolean      not null default false,
    -- The one call that moves this payment and whose outcome is not known yet.
    open_call             text         check (open_call in ('create_intent', 'confirm_intent', 'capture_intent', 'cancel_intent')),
    attempts              integer      not null default 0 check (attempts >= 0),
    -- Whether Stripe lets it be captured in several parts; null where its merchant did not ask.
    multicapture          text         check (multicapture in ('requested', 'available', 'unavailable')),
    -- How many rows of `capture` it has, so that a payment without any needs no read of them.
    captures              integer      not null default 0 check (captures >= 0),

    -- The newest attempt, number `attempts`: only this one can be open or change. When the next one begins, this one is
    -- closed and is written to the table `attempt`. Its times are those of its transitions.
    attempt_id              uuid,
    attempt_status          text,
    attempt_charge_id       text,
    attempt_payment_method  text,
    attempt_error           jsonb,
    constraint payment_has_its_attempt
        check ((attempts > 0) = (attempt_id is not null) and (attempts > 0) = (attempt_status is not null)),

    -- The merchant's own order number guards against a second payment long after the idempotency key is gone.
    reference             text,
    -- True until Stripe refuses to make the payment, and null for ever after: then another payment may have the reference.
    holds_reference       boolean      default true check (holds_reference),
    customer              jsonb,
    description           text,
    statement_descriptor  text,
    payment_method_types  text[]       not null default '{}',  -- Stripe's names; empty: those that its dashboard enables
    metadata              jsonb        not null default '{}',

    created_at            timestamptz  not null,
    updated_at            timestamptz  not null
) with (fillfactor = 70);

-- Nulls are distinct: of the payments with a reference one at most holds it. The status is not in this index, so that an
-- update of a payment that moves writes no index.
create unique index payment_reference on payment (reference, account_id, holds_reference) where reference is not null;
create index payment_account on payment (account_id, id);
-- Operators search payments by the address of the customer, which never changes either.
create index payment_email on payment (lower(customer ->> 'email'), id) where customer ->> 'email' is not null;
-- Merchants search payments by their metadata. Only payments that have some are in this index, and metadata never
-- changes, so it costs one entry at the creation and nothing when a payment moves.
create index payment_metadata on payment using gin (metadata jsonb_path_ops) where metadata <> '{}';

-- The attempts of a payment before its newest one, which is in `payment`. All are closed, so that at most one attempt of
-- a payment is open; none changes any more, which a trigger enforces.
create table attempt (
    payment_id      uuid     not null references payment,
    number          integer  not null check (number > 0),
    id              uuid     not null constraint attempt_id unique,
    status          text     not null constraint attempt_closed check (status in ('captured', 'failed', 'expired', 'voided')),
    charge_id       text,
    payment_method  text,
    error           jsonb,
    primary key (payment_id, number)
);

create trigger attempt_only_grows before update or delete or truncate on attempt
    for each statement execute function history_only_grows();

-- The captures of payments that are captured by hand. Stripe has no such object; it shows their sum.
create table capture (
    id          uuid         primary key,
    payment_id  uuid         not null references payment,
    status      text         not null,
    amount      bigint       not null check (amount > 0),
    final       boolean      not null,      -- the rest of the authorized sum is released with it
    error       jsonb,
    created_at  timestamptz  not null,
    updated_at  timestamptz  not null
) with (fillfactor = 80);

create index capture_payment on capture (payment_id, id);
create unique index capture_one_open on capture (payment_id) where status in ('requested', 'submitted');

-- The captures of a payment take no more than was authorized. What happened at Stripe is never refused, so that a request
-- counts together with all others only when it is made: somebody else may capture at Stripe meanwhile.
--
-- The payment's lock makes two transactions without it see each other's captures. It does not conflict with the lock of a
-- foreign key, which both have by then.
create function captures_are_authorized() returns trigger language plpgsql as $$
declare
    authorized bigint;
begin
    select amount_authorized into authorized from payment where id = new.payment_id for no key update;
    if (select sum(amount) from capture
        where payment_id = new.payment_id
              and (status in ('submitted', 'succeeded') or status = 'requested' and new.status = 'requested')) > authorized
    then
        raise exception 'the captures exceed the authorized amount'
            using errcode = 'check_violation', constraint = 'capture_within_authorized', table = 'capture';
    end if;
    return null;
end
$$;

create trigger captures_are_authorized after insert or update on capture
    for each row execute function captures_are_authorized();

create table refund (
    id          uuid         primary key,
    payment_id  uuid         not null references payment,
    account_id  uuid         not null,
    status      text         not null,
    amount      bigint       not null check (amount > 0),
    stripe_id   text         constraint refund_stripe unique,
    reason      text,
    error       jsonb,
    created_at  timestamptz  not null,
    updated_at  timestamptz  not null
) with (fillfactor = 80);

create index refund_payment on refund (payment_id, id);
create index refund_account on refund (account_id, id);

-- A transition without what it shares with the others of its step.
create type status_change as (
    machine      text,
    subject      uuid,      -- the payment, the attempt, the capture, the refund or the dispute
    from_status  text,
    kind         text,
    to_status    text,
    facts        jsonb      -- of the subject: error, charge; never a secret
);

-- Every transition of every machine, for ever; the view `transition` shows them one by one. A row is a step: the
-- transitions that one cause led to at once. No row is updated or deleted, which a trigger enforces.
--
-- Like job it has no foreign key to payment: rows of both are written under the lock of a payment row, which is never
-- deleted, and a check of the key for each row would cost as much as the row.
create table history (
    stream         uuid             not null,     -- the payment
    first_version  bigint           not null check (first_version > 0),
    last_version   bigint           not null generated always as (first_version + cardinality(transitions) - 1) stored,
    transitions    status_change[]  not null check (cardinality(transitions) > 0),
    -- What caused it: `req_…` a request, `cmd_…` a command by Kafka, `evt_…` a Stripe event, `job_…` a job, `timer_…` a timer, `op_…` an operator.
    -- A request's cause is the X-Request-Id of its answer, unless the client sent that id: a client may send one id with
    -- two commands. Then the cause is an id of its own, and the client's is `request_id` in `data`.
    cause          text             not null,
    data           jsonb            not null,     -- the payment's amounts after the step
    created_at     timestamptz      not null,
    primary key (stream, first_version),
    -- The same cause moves a stream once, however often it is delivered.
    constraint history_once unique (stream, cause)
);

create view transition as
select history.stream, history.first_version + change.place - 1 as version,
       change.machine, change.subject, change.from_status, change.kind, change.to_status,
       history.cause, history.data || jsonb_build_object('moved', change.facts) as data, history.created_at
from history
cross join lateral unnest(history.transitions) with ordinality
    as change (machine, subject, from_status, kind, to_status, facts, place);

-- Every transition is an edge. This is a foreign key in all but its form: rows are only inserted, so one read of the edges of
-- a whole statement costs less than a read for each of its rows. It fails like a foreign key of this name.
--
-- Versions have no gap and none is there twice: a step begins where the one before it ends. Two transactions that add the
-- same next step at once, without the payment's lock, meet in the primary key.
create function history_is_right() returns trigger language plpgsql as $$
begin
    if exists (select from (select distinct machine, from_status, kind, to_status, subject is null as incomplete
                            from written, unnest(written.transitions)) as moved
               where incomplete
                  or not exists (select from edge
                                 where (edge.machine, edge.from_status, edge.kind, edge.to_status)
                                     = (moved.machine, moved.from_status, moved.kind, moved.to_status)))
    then
        raise exception 'a transition is not an edge'
            using errcode = 'foreign_key_violation', constraint = 'transition_is_an_edge', table = 'history';
    end if;
    if exists (select from written
               where (select before.last_version from history as before
                      where before.stream = written.stream and before.first_version < written.first_version
                      order by before.first_version desc limit 1)
                     is distinct from nullif(written.first_version - 1, 0))
    then
        raise exception 'a step does not begin where the one before it ends'
            using errcode = 'check_violation', constraint = 'history_has_no_gap', table = 'history';
    end if;
    return null;
end
$$;

create trigger history_is_right after insert on history referencing new table as written
    for each statement execute function history_is_right();

create trigger history_only_grows before update or delete or truncate on history
    for each statement execute function history_only_grows();

-- What Kafka has not acknowledged yet: a row for each shard of each transaction, deleted when all of its messages are
-- acknowledged. The relay reads a shard in order of seq: within a stream that is the order of versions, because seq is drawn
-- under the payment's row lock.
create table outbox (
    shard       smallint     not null,
    seq         bigint       generated always as identity,
    count       integer      not null check (count > 0),    -- of the messages
    -- CloudEvents as Kafka gets them, one JSON object a line. They resemble each other, so they are compressed well.
    messages    text         compression lz4 not null,
    created_at  timestamptz  not null,
    primary key (shard, seq)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

-- Answers that were given, for clients that ask again with the same key. Written in the transaction of what they
-- answer for, so that a key is taken exactly when its work is durable.
create table idempotency (
    account_id  uuid         not null,
    method      text         not null,
    path        text         not null,
    key         text         not null check (length(key) between 1 and 255),
    body_hash   bytea        not null,
    status      smallint     not null,
    body        bytea        not null,
    payment_id  uuid         not null,
    subject     uuid         not null,      -- the payment, the refund or the dispute that the body shows
    version     bigint       not null,
    created_at  timestamptz  not null,
    primary key (account_id, method, path, key)
);

-- For the retention of 24 hours; rows arrive in order of time, so a block range index is enough and costs nothing.
create index idempotency_created on idempotency using brin (created_at) with (pages_per_range = 16);
