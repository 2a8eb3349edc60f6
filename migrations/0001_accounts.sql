-- Who may use Pawl: merchants (accounts), the people who work for them, and the keys of their back ends.
--
-- Everything that costs or holds money carries an account_id from here on. Those columns have no foreign key to
-- account on purpose: each insert would take a share lock on the merchant's one row, and a busy merchant's payments
-- would queue behind it. Accounts are never deleted, so there is nothing for such a key to protect.

create table account (
    id          uuid        primary key,
    name        text        not null check (name <> ''),
    created_at  timestamptz not null default now()
);

-- A person. `user` is a reserved word of SQL, hence the prefix.
create table app_user (
    id                uuid        primary key,
    -- In lower case, which the application ensures: one mailbox is one person however it is typed.
    email             text        not null constraint app_user_email unique check (email = lower(email)),
    -- A PHC string of argon2id: parameters and salt are part of it.
    password_hash     text        not null,
    -- How often the password was changed, so that a login whose password was right a moment ago opens no session after
    -- the change. The hash cannot show this: it is also replaced when its parameters are outdated.
    password_version  bigint      not null default 1,
    created_at        timestamptz not null default now()
);

-- Every membership has a generation, which its access tokens carry. A change of role or password draws a new one, and
-- tokens of an earlier generation are refused.
create sequence membership_generation as bigint;

create table membership (
    account_id  uuid        not null references account,
    user_id     uuid        not null references app_user,
    role        text        not null check (role in ('user', 'viewer', 'operator', 'admin')),
    generation  bigint      not null default nextval('membership_generation'),
    created_at  timestamptz not null default now(),
    primary key (account_id, user_id)
);

create index membership_user on membership (user_id);

-- People of the house, who see and act across accounts. Only the operators' command line writes this table: no service has
-- the right to, so that no admin of an account can join it. Their access tokens carry the role; a change of it draws new
-- generations for all of their memberships.
create table staff (
    user_id     uuid         primary key references app_user,
    role        text         not null check (role in ('viewer', 'operator', 'admin')),
    granted_at  timestamptz  not null default now()
);

-- The least generation that is still valid of each membership where it changed lately; all services read this table
-- every two seconds. A row no longer counts once the access tokens that it refuses have expired.
create table revocation (
    account_id  uuid         not null,
    user_id     uuid         not null,
    generation  bigint       not null,
    at          timestamptz  not null default now(),
    primary key (account_id, user_id)
);

create index revocation_at on revocation (at);

-- A key of a back end. The key itself is shown once and never stored: 128 random bits need no slow hash.
create table api_key (
    id                     uuid        primary key,
    -- Null for a key that is accepted only by the auth service (a shop's front end logs its users in with it).
    account_id             uuid        references account,
    name                   text        not null check (name <> ''),
    -- The first characters, so that a person can distinguish keys in a list.
    prefix                 text        not null,
    sha256                 bytea       not null constraint api_key_sha256 unique check (length(sha256) = 32),
    -- How many requests a minute it may send, where that differs from RATE_LIMIT_KEY_PER_MINUTE; 0 is no limit.
    rate_limit_per_minute  integer     check (rate_limit_per_minute >= 0),
    created_at             timestamptz not null default now(),
    revoked_at             timestamptz
);

create index api_key_account on api_key (account_id) where revoked_at is null;
-- Lists of an account's keys show the revoked ones too.
create index api_key_listed on api_key (account_id, id);
