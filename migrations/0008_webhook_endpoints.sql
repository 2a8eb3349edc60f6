-- The merchants' webhook endpoints, and the deliveries of events to them.
--
-- A delivery is written in the transaction of its transition, and sent by a worker that claims it from here: deliveries
-- are no jobs, so that a slow receiver never delays a call to Stripe. Like job these tables have no foreign key to payment,
-- transition or endpoint: a check of the key for each row would cost as much as the row.

create table webhook_endpoint (
    id               uuid         primary key,
    account_id       uuid         not null,
    url              text         not null check (length(url) <= 2048),
    description      text,
    -- `*`, `payment.*` or `payment.succeeded`: all types of events, those of a machine, or one.
    enabled_events   text[]       not null check (cardinality(enabled_events) > 0),
    -- deleted: it has no secrets and is not shown; its row is deleted after its deliveries.
    status           text         not null check (status in ('enabled', 'disabled', 'deleted')),
    -- `gone`: it answered 410. `requested`: its merchant disabled it.
    disabled_reason  text         check (disabled_reason in ('gone', 'requested')),
    disabled_at      timestamptz,
    constraint webhook_endpoint_disabled_for_a_reason
        check ((status = 'disabled') = (disabled_reason is not null) and (status = 'disabled') = (disabled_at is not null)),
    created_at       timestamptz  not null,
    updated_at       timestamptz  not null
);

-- Read for each transition: for an account without endpoints this index alone is read.
create index webhook_endpoint_enabled on webhook_endpoint (account_id) where status = 'enabled';
create index webhook_endpoint_account on webhook_endpoint (account_id, id) where status <> 'deleted';
create index webhook_endpoint_deleted on webhook_endpoint (updated_at) where status = 'deleted';

-- The keys that sign an endpoint's deliveries. They are needed in clear text to sign, so they are stored in clear text.
create table webhook_secret (
    endpoint_id  uuid         not null references webhook_endpoint,
    number       integer      not null,
    secret       bytea        not null check (length(secret) between 24 and 64),
    -- Set for a secret that was replaced: it signs beside the new one until then.
    ends_at      timestamptz,
    primary key (endpoint_id, number)
);

create unique index webhook_secret_one_current on webhook_secret (endpoint_id) where ends_at is null;

-- The number of the last delivery of a payment to an endpoint. It is kept longer than the deliveries, so that a late event
-- of an old payment (a refund) gets the next number.
create table webhook_sequence (
    endpoint_id  uuid    not null,
    payment_id   uuid    not null,
    last         bigint  not null check (last > 0),
    primary key (endpoint_id, payment_id)
) with (fillfactor = 80);

-- One event for one endpoint.
create table delivery (
    id           uuid         primary key,     -- v7, like all ids; `webhook-id` of each of its tries
    endpoint_id  uuid         not null,
    account_id   uuid         not null,
    payment_id   uuid         not null,
    version      bigint       not null,        -- with payment_id: the transition that it reports
    type         text         not null,
    -- Numbers the deliveries of a payment to an endpoint from 1 without a gap, so that a receiver notices a missing one.
    -- Drawn under the payment's row lock.
    sequence     bigint       not null,
    status       text         not null check (status in ('pending', 'delivered', 'failed', 'skipped')),
    tries        integer      not null default 0,
    last_code    integer,                      -- HTTP status of the last answer
    next_try_at  timestamptz,
    constraint delivery_pending_has_a_next_try check ((status = 'pending') = (next_try_at is not null)),

    -- Failed tries since it was written or sent again after its end: the pause before the next try depends on them.
    failures     integer      not null default 0,
    -- How often it was claimed since the end of its last try. It is counted before the call, so that a delivery that
    -- kills its process is recognised.
    picks        integer      not null default 0,
    -- The worker with this random token may finish the delivery; after lease_until another worker claims it.
    lease        uuid,
    lease_until  timestamptz,
    constraint delivery_lease_has_an_end check ((lease is null) = (lease_until is null)),
    constraint delivery_leased_while_pending check (lease is null or status = 'pending'),

    created_at   timestamptz  not null,
    finished_at  timestamptz,
    constraint delivery_once unique (endpoint_id, payment_id, version)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

create index delivery_endpoint_status on delivery (endpoint_id, status, id);
-- Those that need an operator, of all endpoints.
create index delivery_failed on delivery (id) where status = 'failed';
-- Neither of these grows with finished deliveries.
create index delivery_due on delivery (endpoint_id, next_try_at) where status = 'pending' and lease is null;
create index delivery_leased on delivery (lease_until) where lease is not null;

-- The log: each call that was made for a delivery.
create table delivery_try (
    delivery_id    uuid         not null,
    number         integer      not null,
    started_at     timestamptz  not null,
    duration_ms    integer      not null,
    code           integer,                    -- HTTP status; null when there was no answer
    error          text,
    response_body  text         check (length(response_body) <= 500),
    primary key (delivery_id, number)
);

-- Ids for the statement that writes deliveries: only it knows how many there are. Version 7, as everywhere: the
-- milliseconds of now, then random bits.
create function uuid_v7() returns uuid language sql volatile parallel safe as $$
    select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
        52, 1), 53, 1), 'hex')::uuid
$$;
