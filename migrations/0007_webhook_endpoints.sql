-- Where merchants want to be told of their payments, and every event on its way there.
--
-- A delivery is written by the statement that writes the outbox, so in the transaction of the transition that it tells
-- of; a job carries it out. Nothing here has a foreign key to payment, transition or endpoint, for the reason that job
-- has none: checking it for each row would cost as much as the row.

create table webhook_endpoint (
    id               uuid         primary key,
    account_id       uuid         not null,
    url              text         not null check (length(url) <= 2048),
    description      text,
    -- `*`, `payment.*` or `payment.succeeded`: machine and kind of a transition.
    enabled_events   text[]       not null check (cardinality(enabled_events) > 0),
    -- deleted: its secrets are gone and nobody sees it; the row stays until its deliveries are forgotten.
    status           text         not null check (status in ('enabled', 'disabled', 'deleted')),
    -- `gone`: it answered 410. `requested`: its merchant wanted it so.
    disabled_reason  text         check (disabled_reason in ('gone', 'requested')),
    disabled_at      timestamptz,
    constraint webhook_endpoint_disabled_for_a_reason
        check ((status = 'disabled') = (disabled_reason is not null) and (status = 'disabled') = (disabled_at is not null)),
    created_at       timestamptz  not null,
    updated_at       timestamptz  not null
);

-- Asked for each transition: an account without endpoints costs a look at this index.
create index webhook_endpoint_enabled on webhook_endpoint (account_id) where status = 'enabled';
create index webhook_endpoint_account on webhook_endpoint (account_id, id) where status <> 'deleted';
create index webhook_endpoint_deleted on webhook_endpoint (updated_at) where status = 'deleted';

-- What an endpoint's deliveries are signed with. It must be read to sign, so it stands here as it is.
create table webhook_secret (
    endpoint_id  uuid         not null references webhook_endpoint,
    number       integer      not null,
    secret       bytea        not null check (length(secret) between 24 and 64),
    -- Set for one that was replaced: it signs beside the new one until then.
    ends_at      timestamptz,
    primary key (endpoint_id, number)
);

create unique index webhook_secret_one_current on webhook_secret (endpoint_id) where ends_at is null;

-- The number of the last delivery of a payment to an endpoint. It outlives the deliveries, so that an event of an old
-- payment (a late refund) goes on counting.
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
    version      bigint       not null,        -- with payment_id: the transition that it tells of
    type         text         not null,
    -- Numbers the deliveries of a payment to an endpoint from 1 without a gap, so that a receiver sees what it missed.
    -- Drawn under the payment's row lock.
    sequence     bigint       not null,
    status       text         not null check (status in ('pending', 'delivered', 'failed', 'skipped')),
    tries        integer      not null default 0,
    last_code    integer,                      -- HTTP status of the last answer
    next_try_at  timestamptz,
    constraint delivery_pending_has_a_next_try check ((status = 'pending') = (next_try_at is not null)),
    created_at   timestamptz  not null,
    finished_at  timestamptz,
    constraint delivery_once unique (endpoint_id, payment_id, version)
) with (fillfactor = 80);

create index delivery_endpoint on delivery (endpoint_id, id);
create index delivery_endpoint_status on delivery (endpoint_id, status, id);

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

-- Ids made by the statement that writes deliveries, which knows alone how many there are. Version 7, as everywhere: the
-- milliseconds of now, then chance.
create function uuid_v7() returns uuid language sql volatile parallel safe as $$
    select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

-- Deliveries are jobs with hands of their own, so that a slow receiver holds up no call to Stripe: they are taken in turn
-- from all endpoints that have some, and never through Redis.
alter table job add column endpoint_id uuid;
alter table job drop constraint job_kind_check;
alter table job add constraint job_kind_check check (kind in
    ('create_intent', 'confirm_intent', 'capture_intent', 'cancel_intent', 'create_refund', 'resync', 'deliver_webhook'));
alter table job add constraint job_delivery_has_endpoint check ((kind = 'deliver_webhook') = (endpoint_id is not null));

drop index job_due;
create index job_due on job (due_at) where state = 'queued' and kind <> 'deliver_webhook';
create index job_delivery_due on job (endpoint_id, due_at) where state = 'queued' and kind = 'deliver_webhook';

-- A delivery has one job that is not done: however often it is sent again, one worker at a time has it.
create unique index job_one_delivery on job (subject) where kind = 'deliver_webhook' and state <> 'done';
