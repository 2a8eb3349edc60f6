-- The rights of each service in the database: those that its work needs, and no others. A service takes its role when it
-- connects (infra::postgres::pool_as), so one login that is a member of all of them is enough to begin with. A login for
-- each service, a member of one role only, keeps a service from taking another's rights.
--
-- Roles belong to the whole server. The migration of another database of Pawl on it may have made them before.

do $$
declare
    name text;
begin
    foreach name in array array['pawl_engine', 'pawl_gateway', 'pawl_core', 'pawl_worker', 'pawl_auth'] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I nologin', name);
            exception when duplicate_object or unique_violation then
                -- The migration of another database made it at the same moment.
                null;
            end;
        end if;
        -- The login that migrates runs all services to begin with.
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

-- The services that move payments: gateway and core service by commands, the worker by Stripe's answers and webhooks.
grant select, insert on history, attempt to pawl_engine;
grant select on transition, edge, switch, queue_pause to pawl_engine;
grant select, insert, update on payment, capture, refund to pawl_engine;
grant select, insert, update, delete on job, inbox_open, timer, outbox, idempotency to pawl_engine;
grant select, insert, delete on inbox, inbox_result to pawl_engine;

-- Deliveries are written with the transitions that they report.
grant select on webhook_endpoint to pawl_engine;
grant select, insert, update on delivery, webhook_sequence to pawl_engine;

-- The gateway lets merchants manage their endpoints.
grant select, insert, update on webhook_endpoint to pawl_gateway;
grant select, insert, update, delete on webhook_secret to pawl_gateway;
grant select on delivery_try to pawl_gateway;

-- Operators see the log of deliveries, and pause queues.
grant select on delivery_try to pawl_core;
grant insert, delete on queue_pause to pawl_core;

-- The worker sends deliveries and deletes old ones.
grant select, update, delete on webhook_endpoint to pawl_worker;
grant select, delete on webhook_secret to pawl_worker;
grant select, insert, update, delete on delivery_try to pawl_worker;
grant delete on delivery, webhook_sequence to pawl_worker;

-- Callers are authenticated by keys, and by memberships and their revocations.
grant select on api_key, membership, revocation to pawl_gateway, pawl_core;

-- Staff of the house are known to the service that they use, and to the one that makes their tokens. No service adds any.
grant select on staff to pawl_core, pawl_auth;

-- Tokens are verified with the public keys, which are read here while the auth service does not answer.
grant select (kid, public, active_at, retires_at) on signing_key to pawl_gateway, pawl_core;

-- Readiness tells the version of the schema. The table is sqlx's.
do $$
begin
    if to_regclass('_sqlx_migrations') is not null then
        grant select on _sqlx_migrations to pawl_engine, pawl_auth;
    end if;
end
$$;

-- Operators' actions are recorded.
grant select, insert on audit to pawl_core;

-- People, their passwords and signing keys are accessible to the auth service alone.
grant select, insert, update on account, app_user, api_key, signing_key to pawl_auth;
grant select, insert, update, delete on membership, session, refresh_token, revocation to pawl_auth;
grant select, insert on audit to pawl_auth;
grant usage on sequence membership_generation to pawl_auth;
