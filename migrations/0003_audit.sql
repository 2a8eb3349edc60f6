-- Who did what, why, when and from where; refused attempts too. No password and no token is ever here.

create table audit (
    id           uuid         primary key,
    -- Whose administrators may read it. Null where no account was affected, as by a login of an unknown person.
    account_id   uuid,
    -- The person or the key that acted; both null for an unknown person, and for the operator's command line.
    user_id      uuid,
    api_key_id   uuid,
    action       text         not null,
    -- The id, as clients know it, of the thing that was acted on.
    target       text,
    -- 'requested' is written before the action, so that no action is without a record.
    outcome      text         not null check (outcome in ('requested', 'done', 'refused')),
    reason       text,
    -- What the thing was like before the action, and after it. Never a secret.
    before       jsonb,
    after        jsonb,
    ip           text,
    request_id   text,
    at           timestamptz  not null default now()
);

create index audit_account on audit (account_id, id);

-- History is written once: rows of a table with this trigger cannot be changed or deleted, not even by its owner.
create function history_only_grows() returns trigger language plpgsql as $$
begin
    raise exception '% only grows: a row that was written stays as it is', tg_table_name;
end
$$;

create trigger audit_only_grows before update or delete or truncate on audit
    for each statement execute function history_only_grows();
