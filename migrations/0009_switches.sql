-- What an operator can stop for all of Pawl. Each switch has one row from the start, so that a change is an update, and
-- two changes at once come one after the other.

create table switch (
    name        text         primary key check (name in ('intake')),    -- intake: whether new payments are accepted
    paused      boolean      not null default false,
    reason      text,
    changed_by  text,
    changed_at  timestamptz  not null default now()
);

insert into switch (name) values ('intake');

-- The kinds of jobs that are paused: none of them is claimed while its row is here.
create table queue_pause (
    kind       text         primary key,
    reason     text,
    paused_by  text         not null,
    paused_at  timestamptz  not null default now()
);
