-- What a person can stop for all of Pawl. One row each, there from the start, so that a change is an update that cannot
-- happen twice at once.

create table switch (
    name        text         primary key check (name in ('intake')),    -- intake: whether new payments are taken
    paused      boolean      not null default false,
    reason      text,
    changed_by  text,
    changed_at  timestamptz  not null default now()
);

insert into switch (name) values ('intake');
