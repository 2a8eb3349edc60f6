-- How far Stripe's events have been listed, so that those whose webhook never came are added to the inbox. One row from the
-- start; a worker leases it for the length of a round.
create table event_cursor (
    name          text         primary key check (name in ('events')),
    -- Every event that Stripe made until then is in the inbox, was delivered, or comes with the next round. Unix seconds, by
    -- Stripe's clock.
    read_until    bigint       not null,
    due_at        timestamptz  not null default now(),
    leased_until  timestamptz  not null default now()
);

insert into event_cursor (name, read_until) values ('events', extract(epoch from now())::bigint);

grant select, update on event_cursor to pawl_worker;
