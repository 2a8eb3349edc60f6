-- How people stay logged in, and the keys that sign their access tokens.

-- One login on one device. All refresh tokens that follow from it are one family and end together.
create table session (
    id               uuid         primary key,
    user_id          uuid         not null references app_user,
    account_id       uuid         not null references account,
    created_at       timestamptz  not null default now(),
    -- Counted from the login; a refresh does not extend it, so that everybody enters their password from time to time.
    expires_at       timestamptz  not null,
    revoked_at       timestamptz,
    revoked_because  text         check (revoked_because in ('logout', 'token_reused', 'password_changed', 'membership_ended')),
    constraint session_revoked_for_a_reason check ((revoked_at is null) = (revoked_because is null))
);

create index session_open_of_user on session (user_id) where revoked_at is null;
create index session_expires on session (expires_at);

-- A refresh token works once. Its row stays when it is used, so that a second use is recognised: somebody has a copy.
-- The token itself is 256 random bits and stored nowhere.
create table refresh_token (
    sha256      bytea        primary key check (length(sha256) = 32),
    session_id  uuid         not null references session on delete cascade,
    created_at  timestamptz  not null default now(),
    used_at     timestamptz
);

create index refresh_token_session on refresh_token (session_id);

-- The keys that sign access tokens. The first is JWT_PRIVATE_KEY itself, which is in no database; later ones are sealed
-- under a key that is derived from it, so that a copy of this table signs nothing.
create table signing_key (
    -- The thumbprint of the key (RFC 7638).
    kid         text         primary key,
    -- The PKCS#8 of the private key, encrypted with AES-256-GCM; null for a JWT_PRIVATE_KEY.
    sealed      bytea,
    -- What /.well-known/jwks.json shows.
    public      jsonb        not null check (not public ? 'd'),
    created_at  timestamptz  not null default now(),
    -- When it begins to sign: a moment after it was made, when every instance and every verifier has read it.
    active_at   timestamptz  not null default now(),
    -- When it is no longer shown, and its tokens are no longer valid.
    retires_at  timestamptz
);

create index signing_key_shown on signing_key (active_at) where retires_at is null;
