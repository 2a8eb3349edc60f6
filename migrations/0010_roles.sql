-- What each service may do in the database: what its work needs, and nothing else. A service takes its role when it
-- connects (infra::postgres::pool_as), so one login that is a member of all of them is enough to begin with; a login for
-- each service that is a member of one role only makes it a wall.
--
-- Roles belong to the whole server. Another database of Pawl's on it may have made them before.

do $$
declare
    name text;
begin
    foreach name in array array['pawl_engine', 'pawl_gateway', 'pawl_core', 'pawl_worker', 'pawl_auth'] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I nologin', name);
            exception when duplicate_object or unique_violation then
                -- Another database made it at the same moment.
                null;
            end;
        end if;
        -- Whoever migrates runs all services to begin with.
        if not pg_has_role(current_user, name, 'member') then
            execute format('grant %I to %I', name, current_user);
        end if;
        if name <> 'pawl_engine' and name <> 'pawl_auth' and not pg_has_role(name, 'pawl_engine', 'member') then
            execute format('grant pawl_engine to %I', name);
        end if;
    end loop;
exception when insufficient_privilege then
    raise exception 'the roles of the services are missing, and % may not make them', current_user
        using hint = format('let a superuser run: alter role %I createrole; or make them and grant them to it', current_user);
end
$$;

-- History is written once, by nobody differently: not even by the owner of the table. (The rule is that of audit; its name
-- says no table's.)
alter function audit_only_grows() rename to history_only_grows;

create or replace function history_only_grows() returns trigger language plpgsql as $$
begin
    raise exception '% only grows: a row that was written stays as it is', tg_table_name;
end
$$;

create trigger transition_only_grows before update or delete or truncate on transition
    for each statement execute function history_only_grows();

-- Whoever moves payments: the doors by commands, the worker by what Stripe says.
grant select, insert on transition to pawl_engine;
grant select on edge, switch to pawl_engine;
grant select, insert, update on payment, attempt, refund to pawl_engine;
grant select, insert, update, delete on job, inbox, timer, outbox, idempotency to pawl_engine;

-- Deliveries are written with the transitions that they tell of.
grant select on webhook_endpoint to pawl_engine;
grant select, insert, update on delivery, webhook_sequence to pawl_engine;

-- The gateway lets merchants say where they want to be told.
grant select, insert, update on webhook_endpoint to pawl_gateway;
grant select, insert, update, delete on webhook_secret to pawl_gateway;
grant select on delivery_try to pawl_gateway;

-- The worker tells them, and forgets what is old.
grant select, update, delete on webhook_endpoint to pawl_worker;
grant select, delete on webhook_secret to pawl_worker;
grant select, insert, update, delete on delivery_try to pawl_worker;
grant delete on delivery, webhook_sequence to pawl_worker;

-- Who calls: keys, memberships and what was revoked of them.
grant select on api_key, membership, revocation to pawl_gateway, pawl_core;

-- Operators' actions are kept.
grant select, insert on audit to pawl_core;

-- People, their passwords and what tokens are signed with are the auth service's alone.
grant select, insert, update on account, app_user, api_key, signing_key to pawl_auth;
grant select, insert, update, delete on membership, session, refresh_token, revocation to pawl_auth;
grant select, insert on audit to pawl_auth;
grant usage on sequence membership_generation to pawl_auth;
