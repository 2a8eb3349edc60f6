-- How people stay logged in, how that ends at once, what tokens are signed with, and who did what.

-- How often the password was changed, so that a login whose password was right a moment ago opens no session after the
-- change. (The hash does not tell: it is also replaced when its parameters are outdated.)
alter table app_user add column password_version bigint not null default 1;

-- One login on one device. All refresh tokens that follow from it are one family and end together.
create table session (
    id               uuid         primary key,
    user_id          uuid         not null references app_user,
    account_id       uuid         not null references account,
    created_at       timestamptz  not null default now(),
    -- Counted from the login: refreshing does not move it, so that everybody shows their password once in a while.
    expires_at       timestamptz  not null,
    revoked_at       timestamptz,
    revoked_because  text         check (revoked_because in ('logout', 'token_reused', 'password_changed', 'membership_ended')),
    constraint session_revoked_for_a_reason check ((revoked_at is null) = (revoked_because is null))
);

create index session_open_of_user on session (user_id) where revoked_at is null;
create index session_expires on session (expires_at);

-- A refresh token works once. It stays here when it is used, so that a second use is known for what it is: somebody
-- has a copy. The token itself is 256 random bits and stored nowhere.
create table refresh_token (
    sha256      bytea        primary key check (length(sha256) = 32),
    session_id  uuid         not null references session on delete cascade,
    created_at  timestamptz  not null default now(),
    used_at     timestamptz
);

create index refresh_token_session on refresh_token (session_id);

-- Every membership has a generation, which its access tokens bear. A change of role or password draws a new one, and
-- tokens of an earlier one are refused.
create sequence membership_generation as bigint;

alter table membership add column generation bigint not null default nextval('membership_generation');

-- What all services read every two seconds: the least generation that is still believed, where it changed lately. No
-- row counts once the access tokens that it could mean have expired, and there is at most one for each membership.
create table revocation (
    account_id  uuid         not null,
    user_id     uuid         not null,
    generation  bigint       not null,
    at          timestamptz  not null default now(),
    primary key (account_id, user_id)
);

create index revocation_at on revocation (at);

-- The keys that sign access tokens. The first is JWT_PRIVATE_KEY itself, which is in no database; later ones are sealed
-- under a key that is derived from it, so that a copy of this table signs nothing.
create table signing_key (
    -- The thumbprint of the key (RFC 7638).
    kid         text         primary key,
    -- The PKCS#8 of the private key, AES-256-GCM; null for a JWT_PRIVATE_KEY.
    sealed      bytea,
    -- What /.well-known/jwks.json shows.
    public      jsonb        not null check (not public ? 'd'),
    created_at  timestamptz  not null default now(),
    -- From when on it signs: a moment after it was made, when every instance and every verifier has heard of it.
    active_at   timestamptz  not null default now(),
    -- From when on it is not shown any more, and no token of it is believed.
    retires_at  timestamptz
);

create index signing_key_shown on signing_key (active_at) where retires_at is null;

-- Lists of an account's keys show the revoked ones too.
create index api_key_listed on api_key (account_id, id);

-- Who did what, why, when and from where; refused attempts too. No password and no token is ever here.
create table audit (
    id           uuid         primary key,
    -- Whose administrators may read it. Null where nobody's account was touched, as by a login of a stranger.
    account_id   uuid,
    -- The person or the key that acted; both null for a stranger, and for the command line of whoever runs Pawl.
    user_id      uuid,
    api_key_id   uuid,
    action       text         not null,
    -- What it was done to: an id as clients know it.
    target       text,
    -- 'requested' stands before the action is done, so that nothing is done of which there is no record.
    outcome      text         not null check (outcome in ('requested', 'done', 'refused')),
    reason       text,
    ip           text,
    request_id   text,
    at           timestamptz  not null default now()
);

create index audit_account on audit (account_id, id);

create function audit_only_grows() returns trigger language plpgsql as $$
begin
    raise exception 'audit only grows: a row that was written stays as it is';
end
$$;

create trigger audit_only_grows before update or delete or truncate on audit
    for each statement execute function audit_only_grows();
