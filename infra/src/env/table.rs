//! Every environment variable that Pawl reads. `.env.example` and docs/configuration.md are generated from this table.

mod running;

use super::variable::Program::{Auth, Core, Gateway, Pawl, Simulator, Worker};
use super::variable::{Example, Form, Program, Section, Unset, Variable};

const TOKENS: &[Program] = &[Gateway, Auth, Core];
const PER_MINUTE: Form = Form::Number {
    least: 0,
    most: 1_000_000,
};

/// The variable of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Variable> {
    all().find(|variable| variable.name == name)
}

/// All variables, in the order of the documents.
pub fn all() -> impl Iterator<Item = &'static Variable> {
    TABLE.iter().flat_map(|section| section.variables)
}

/// The table.
pub const TABLE: &[Section] = &[
    SERVERS,
    STRIPE,
    AUTH,
    TOKEN,
    CONSOLE,
    ADDRESSES,
    LIMITS,
    running::SIZES,
    running::LINKS,
    running::WEBHOOKS,
    running::SIMULATOR,
    running::TRACES,
    running::TESTS,
    running::LOGS,
];

const SERVERS: Section = Section {
    title: "Where the servers are",
    about: "`make run` starts a Postgres, a Redis, a Kafka and a Stripe simulator of its own and needs none of these four; each one that is set is used instead. A service that is started by itself needs them.",
    variables: &[
        Variable {
            name: "DATABASE_URL",
            form: Form::Postgres,
            unset: Unset::Refused,
            example: Example::Commented("postgres://pawl:pawl@127.0.0.1:5432/pawl"),
            readers: &[Gateway, Auth, Core, Worker, Pawl],
            secret: true,
            about: "The database, by the address of Postgres itself and not of a connection pooler. Of several hosts (`host1:5432,host2:5432`) the one that accepts writes is used.",
        },
        Variable {
            name: "REDIS_URL",
            form: Form::Redis,
            unset: Unset::Refused,
            example: Example::Commented("redis://127.0.0.1:6379"),
            readers: &[Gateway, Auth, Core, Worker, Pawl],
            secret: true,
            about: "The Redis that carries ids of jobs, cached views and rate limits.",
        },
        Variable {
            name: "KAFKA_BROKERS",
            form: Form::Brokers,
            unset: Unset::Refused,
            example: Example::Commented("127.0.0.1:9092"),
            readers: &[Worker, Pawl],
            secret: false,
            about: "The Kafka brokers that events are published to.",
        },
        Variable {
            example: Example::Commented("SASL_SSL"),
            ..Variable::with_default(
                "KAFKA_SECURITY_PROTOCOL",
                Form::Word(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
                "PLAINTEXT",
                &[Worker, Pawl],
                "How the brokers are spoken to: with TLS (SSL), with a user and a password (SASL_), or both.",
            )
        },
        Variable {
            example: Example::Commented("SCRAM-SHA-512"),
            ..Variable::with_default(
                "KAFKA_SASL_MECHANISM",
                Form::Word(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
                "PLAIN",
                &[Worker, Pawl],
                "How the password is shown to the brokers.",
            )
        },
        Variable {
            name: "KAFKA_SASL_USERNAME",
            form: Form::Text,
            unset: Unset::Means("no user, which SASL refuses"),
            example: Example::Commented("pawl"),
            readers: &[Worker, Pawl],
            secret: false,
            about: "The user of the brokers.",
        },
        Variable {
            name: "KAFKA_SASL_PASSWORD",
            form: Form::Text,
            unset: Unset::Means("no password, which SASL refuses"),
            example: Example::Commented("the-password-of-pawl"),
            readers: &[Worker, Pawl],
            secret: true,
            about: "That user's password.",
        },
        Variable {
            name: "KAFKA_SSL_CA_FILE",
            form: Form::Text,
            unset: Unset::Means("the system's authorities"),
            example: Example::Commented("/etc/pawl/kafka-ca.pem"),
            readers: &[Worker, Pawl],
            secret: false,
            about: "The authority that signed the certificates of the brokers, in PEM.",
        },
        Variable {
            example: Example::Commented("true"),
            ..Variable::with_default(
                "KAFKA_COMMANDS",
                Form::Switch,
                "false",
                &[Worker],
                "`true` lets the worker take commands from Kafka (docs/kafka-events.md); who may write to it may move every merchant's money.",
            )
        },
        Variable {
            example: Example::Commented("pawl.commands.v1"),
            ..Variable::with_default(
                "KAFKA_COMMANDS_TOPIC",
                Form::Text,
                "pawl.commands.v1",
                &[Worker],
                "The topic of commands, where one Kafka serves several installations; refused ones go to the topic with `.dead` behind the name.",
            )
        },
        Variable {
            name: "STRIPE_API_BASE",
            form: Form::HttpUrl,
            unset: Unset::Value(super::STRIPE_API_BASE),
            example: Example::Commented("http://127.0.0.1:12111"),
            readers: &[Worker, Pawl],
            secret: false,
            about: "Where Stripe is: Stripe itself, or the simulator (`cargo run -p stripe-simulator`).",
        },
    ],
};

const STRIPE: Section = Section {
    title: "Stripe",
    about: "",
    variables: &[
        Variable {
            name: "STRIPE_API_KEY",
            form: Form::StripeKey,
            unset: Unset::Refused,
            example: Example::Set("sk_test_pawl_demo"),
            readers: &[Worker, Pawl],
            secret: true,
            about: "The key for Stripe's API; the simulator takes any. Every service looks at whether it is a live key.",
        },
        Variable {
            name: "STRIPE_ACCOUNT",
            form: Form::StripeAccount,
            unset: Unset::Means("payments are those of the key's own account"),
            example: Example::Commented("acct_1234"),
            readers: &[Worker],
            secret: false,
            about: "The connected account whose payments these are. Webhooks of another account, or of the other mode (test, live), are stored and change no payment.",
        },
        Variable {
            name: "STRIPE_WEBHOOK_SECRET",
            form: Form::WebhookSecrets,
            unset: Unset::Refused,
            example: Example::Set("whsec_pawl_demo_0123456789abcdef"),
            readers: &[Gateway, Simulator],
            secret: true,
            about: "The secret that Stripe signs webhooks with; several while one replaces another. The simulator signs with the first one and needs it only with SIMULATOR_WEBHOOK_URL.",
        },
    ],
};

const AUTH: Section = Section {
    title: "Auth service",
    about: "",
    variables: &[
        Variable {
            name: "AUTH_API_KEYS",
            form: Form::ApiKeys,
            unset: Unset::Refused,
            example: Example::Set("pawl_demo_auth_key_0123456789"),
            readers: &[Auth],
            secret: true,
            about: "Keys that open the auth service before there are any in the database: the value of X-API-Key.",
        },
        Variable {
            name: "JWT_PRIVATE_KEY",
            form: Form::PrivateKey,
            unset: Unset::Refused,
            example: Example::Set(
                "MC4CAQAwBQYDK2VwBCIEIPawlDemoKeyForDevelopmentNeverWhereMoneyIs1",
            ),
            readers: &[Auth, Pawl],
            secret: true,
            about: "The key that signs tokens at first, and seals the keys that `pawl keys rotate` creates later. In `.env` the lines of PEM are joined with \\n. Only the auth service and the operator who rotates keys may know it.",
        },
    ],
};

const TOKEN: Section = Section {
    title: "Tokens",
    about: "The same for the auth service and the services that verify its tokens.",
    variables: &[
        Variable::with_default(
            "JWT_ISSUER",
            Form::Text,
            "pawl",
            TOKENS,
            "The issuer (`iss`) of every token.",
        ),
        Variable::with_default(
            "JWT_AUDIENCE",
            Form::Text,
            "pawl-api",
            TOKENS,
            "The audience (`aud`) of every token.",
        ),
        Variable::with_default(
            "JWT_JWKS_URL",
            Form::HttpUrl,
            "http://127.0.0.1:8081/.well-known/jwks.json",
            TOKENS,
            "Where the other services fetch the public keys of tokens.",
        ),
    ],
};

const CONSOLE: Section = Section {
    title: "The operator console",
    about: "For the core service, which serves the console.",
    variables: &[
        Variable::with_default(
            "AUTH_URL",
            Form::HttpUrl,
            "http://127.0.0.1:8081",
            &[Core],
            "The auth service, where the console logs people in.",
        ),
        Variable {
            name: "CONSOLE_API_KEY",
            form: Form::ApiKeys,
            unset: Unset::Means("nobody can log in to the console"),
            example: Example::Set("pawl_demo_auth_key_0123456789"),
            readers: &[Core],
            secret: true,
            about: "The API key with which the console logs people in: one of AUTH_API_KEYS.",
        },
    ],
};

const ADDRESSES: Section = Section {
    title: "Where the services listen",
    about: "",
    variables: &[
        Variable::with_default(
            "GATEWAY_ADDR",
            Form::Socket,
            "127.0.0.1:8080",
            &[Gateway],
            "The gateway: the API of merchants and Stripe's webhooks.",
        ),
        Variable::with_default(
            "AUTH_ADDR",
            Form::Socket,
            "127.0.0.1:8081",
            &[Auth],
            "The auth service.",
        ),
        Variable::with_default(
            "CORE_ADDR",
            Form::Socket,
            "127.0.0.1:8082",
            &[Core],
            "The core service: operations.",
        ),
        Variable::with_default(
            "WORKER_ADDR",
            Form::Socket,
            "127.0.0.1:8083",
            &[Worker],
            "The worker's health and metrics.",
        ),
        Variable::with_default(
            "SIMULATOR_ADDR",
            Form::Socket,
            "127.0.0.1:12111",
            &[Simulator, Pawl],
            "The Stripe simulator.",
        ),
    ],
};

const LIMITS: Section = Section {
    title: "Rate limits",
    about: "Requests per minute; 0 is no limit.",
    variables: &[
        Variable::with_default(
            "RATE_LIMIT_USER_PER_MINUTE",
            PER_MINUTE,
            "10",
            &[Gateway],
            "Of a user at the gateway.",
        ),
        Variable::with_default(
            "RATE_LIMIT_IP_PER_MINUTE",
            PER_MINUTE,
            "10",
            &[Gateway, Auth],
            "Of an address (IPv6: a /64) at the auth service, and at the gateway with credentials that are not valid.",
        ),
        Variable::with_default(
            "RATE_LIMIT_KEY_PER_MINUTE",
            PER_MINUTE,
            "600",
            &[Gateway],
            "Of a merchant's API key that has no limit of its own.",
        ),
        Variable {
            name: "RATE_LIMIT_ROUTES",
            form: Form::RouteLimits,
            unset: Unset::Means("no route has a limit of its own"),
            example: Example::Commented(
                "\"POST /api/v1/payments=5, key:POST /api/v1/payments/{id}/refunds=60\"",
            ),
            readers: &[Gateway],
            secret: false,
            about: "Routes with a limit and a bucket of their own, of each user, or after `key:` of each API key. A path is one of /openapi.json.",
        },
        Variable {
            name: "TRUSTED_PROXIES",
            form: Form::Networks,
            unset: Unset::Means("no proxy is trusted"),
            example: Example::Commented("127.0.0.1,10.0.0.0/8"),
            readers: TOKENS,
            secret: false,
            about: "Proxies whose X-Forwarded-For, Forwarded or X-Real-IP is accepted.",
        },
    ],
};
