-- Who may use Pawl: merchants (accounts), the people that work for them, and the keys of their back ends.
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
    id             uuid        primary key,
    -- Lower-cased by the application: one mailbox is one person however it is typed.
    email          text        not null constraint app_user_email unique check (email = lower(email)),
    -- A PHC string of argon2id: parameters and salt travel with the hash.
    password_hash  text        not null,
    created_at     timestamptz not null default now()
);

create table membership (
    account_id  uuid        not null references account,
    user_id     uuid        not null references app_user,
    role        text        not null check (role in ('user', 'viewer', 'operator', 'admin')),
    created_at  timestamptz not null default now(),
    primary key (account_id, user_id)
);

create index membership_user on membership (user_id);

-- A key of a back end. The key itself is shown once and never stored: 128 random bits need no slow hash.
create table api_key (
    id          uuid        primary key,
    -- Null for a key that opens only the auth service (the shop's front end logging its users in).
    account_id  uuid        references account,
    name        text        not null check (name <> ''),
    -- The first characters, so that a person can tell keys apart in a list.
    prefix      text        not null,
    sha256      bytea       not null constraint api_key_sha256 unique check (length(sha256) = 32),
    created_at  timestamptz not null default now(),
    revoked_at  timestamptz
);

create index api_key_account on api_key (account_id) where revoked_at is null;
