-- The tables of the yardstick: the smallest honest form of "a payment moves one step".
--
-- A schema of their own, so that nothing of Pawl's is touched, in the same database of the same server: same disk,
-- same settings, same moment.

drop schema if exists naive cascade;
create schema naive;

create table naive.payment (
    id          bigint      primary key,
    status      text        not null,
    version     bigint      not null,
    updated_at  timestamptz not null
) with (fillfactor = 70);

create table naive.transition (
    payment_id   bigint      not null references naive.payment,
    version      bigint      not null,
    from_status  text        not null,
    to_status    text        not null,
    created_at   timestamptz not null,
    primary key (payment_id, version)
);

create table naive.outbox (
    seq         bigint  generated always as identity primary key,
    payment_id  bigint  not null,
    version     bigint  not null
);

insert into naive.payment (id, status, version, updated_at)
select id, 'processing', 0, now() from generate_series(1, 100000) as id;
