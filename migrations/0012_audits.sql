-- What the daily comparison of Stripe's objects with this database found.
create table audit_report (
    id          uuid         primary key,
    checked_at  timestamptz  not null,
    drifts      integer      not null check (drifts >= 0),
    report      text         compression lz4 not null,     -- the JSON that was signed, byte for byte
    signature   text         not null,
    key_id      text         not null
);

create trigger audit_report_only_grows before update or delete or truncate on audit_report
    for each statement execute function history_only_grows();

-- When a worker makes the next one. One row from the start.
create table audit_turn (
    name    text         primary key check (name in ('audit')),
    due_at  timestamptz  not null default now() + interval '1 day'
);

insert into audit_turn (name) values ('audit');

grant select, insert on audit_report to pawl_worker;
grant select, update on audit_turn to pawl_worker;
grant select on audit_report to pawl_core;
