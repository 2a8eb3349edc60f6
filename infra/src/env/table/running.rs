//! The variables of services that run: sizes, times, webhooks, the simulator, traces, tests and logs.

use crate::env::variable::Program::{Auth, Core, Gateway, Simulator, Worker};
use crate::env::variable::{Example, Form, Program, Section, Unset, Variable};

const EVERY: &[Program] = &[Gateway, Auth, Core, Worker];
const CONNECTIONS: Form = Form::Number {
    least: 2,
    most: 1_000,
};
const ANY_NUMBER: Form = Form::Number {
    least: 0,
    most: u64::MAX,
};

const fn seconds(least: u64, most: u64) -> Form {
    Form::Number { least, most }
}

pub(super) const SIZES: Section = Section {
    title: "Sizes and times",
    about: "",
    variables: &[
        Variable::with_default(
            "GATEWAY_DATABASE_CONNECTIONS",
            CONNECTIONS,
            "16",
            &[Gateway],
            "Connections to Postgres that one gateway may open.",
        ),
        Variable::with_default(
            "WORKER_DATABASE_CONNECTIONS",
            CONNECTIONS,
            "12",
            &[Worker],
            "Connections to Postgres that one worker may open.",
        ),
        Variable::with_default(
            "WORKER_CONCURRENCY",
            Form::Number {
                least: 1,
                most: 4_096,
            },
            "64",
            &[Worker],
            "Jobs that one worker performs at once, each with at most one call to Stripe.",
        ),
        Variable::with_default(
            "STRIPE_TIMEOUT_SECONDS",
            seconds(1, 120),
            "20",
            &[Worker],
            "How long a call to Stripe may take; shorter than the lease.",
        ),
        Variable::with_default(
            "WORKER_LEASE_SECONDS",
            seconds(2, 600),
            "30",
            &[Worker],
            "How long a job that a worker claimed is its own.",
        ),
        Variable::with_default(
            "SHUTDOWN_NOTICE_SECONDS",
            seconds(0, 600),
            "5",
            EVERY,
            "How long a service still takes requests after SIGTERM, while /readyz is 503 and each answer closes its connection: longer than a load balancer takes to notice. It ends earlier once no connection is open.",
        ),
    ],
};

pub(super) const LINKS: Section = Section {
    title: "The page at / of the gateway",
    about: "",
    variables: &[
        Variable {
            name: "CONSOLE_URL",
            form: Form::HttpUrl,
            unset: Unset::Means("it has no link to the core service"),
            example: Example::Commented("http://127.0.0.1:8082"),
            readers: &[Gateway],
            secret: false,
            about: "Where browsers find the core service; `make run` sets it.",
        },
        Variable {
            name: "SHOP_URL",
            form: Form::HttpUrl,
            unset: Unset::Means("it has no link to a shop"),
            example: Example::Commented("http://127.0.0.1:12111/shop"),
            readers: &[Gateway],
            secret: false,
            about: "Where browsers find a demonstration shop; `make run` sets it.",
        },
    ],
};

pub(super) const WEBHOOKS: Section = Section {
    title: "Merchants' webhooks",
    about: "",
    variables: &[
        Variable::with_default(
            "WEBHOOK_TIMEOUT_SECONDS",
            seconds(1, 60),
            "10",
            &[Worker],
            "How long a merchant's receiver may take to answer; shorter than the lease.",
        ),
        Variable {
            example: Example::Commented("false"),
            ..Variable::with_default(
                "WEBHOOK_ALLOW_PRIVATE",
                Form::Switch,
                "false",
                &[Gateway, Worker],
                "`true` lets deliveries go to this machine and its networks, and over http: for development and tests only (`make run` sets it).",
            )
        },
    ],
};

pub(super) const SIMULATOR: Section = Section {
    title: "Stripe simulator",
    about: "",
    variables: &[
        Variable {
            name: "SIMULATOR_WEBHOOK_URL",
            form: Form::HttpUrl,
            unset: Unset::Means("it sends no webhooks"),
            example: Example::Set("http://127.0.0.1:8080/webhooks/stripe"),
            readers: &[Simulator],
            secret: false,
            about: "Where it sends webhooks.",
        },
        Variable {
            example: Example::Commented("*"),
            ..Variable::with_default(
                "SIMULATOR_WEBHOOK_EVENTS",
                Form::EventTypes,
                "*",
                &[Simulator],
                "Which types of events it sends there.",
            )
        },
        Variable {
            name: "SIMULATOR_PUBLIC_URL",
            form: Form::HttpUrl,
            unset: Unset::Means("that is SIMULATOR_ADDR"),
            example: Example::Commented("http://127.0.0.1:12111"),
            readers: &[Simulator],
            secret: false,
            about: "Where browsers find it.",
        },
        Variable {
            name: "SIMULATOR_STATE_FILE",
            form: Form::Text,
            unset: Unset::Means("the state is lost at its end"),
            example: Example::Commented("simulator.json"),
            readers: &[Simulator],
            secret: false,
            about: "The file that keeps its state between two runs.",
        },
        Variable::with_default(
            "SIMULATOR_SETTLE_MS",
            ANY_NUMBER,
            "2000",
            &[Simulator],
            "Milliseconds that asynchronous charges and refunds take.",
        ),
        Variable::with_default(
            "SIMULATOR_SEED",
            ANY_NUMBER,
            "1",
            &[Simulator],
            "The seed of its faults.",
        ),
        Variable {
            name: "SHOP_GATEWAY_URL",
            form: Form::HttpUrl,
            unset: Unset::Means("it has no shop page"),
            example: Example::Commented("http://127.0.0.1:8080"),
            readers: &[Simulator],
            secret: false,
            about: "The gateway that its shop page pays at; needs SHOP_API_KEY too.",
        },
        Variable {
            name: "SHOP_API_KEY",
            form: Form::ApiKeys,
            unset: Unset::Means("it has no shop page"),
            example: Example::Commented(""),
            readers: &[Simulator],
            secret: true,
            about: "The API key that its shop page pays with; needs SHOP_GATEWAY_URL too.",
        },
    ],
};

pub(super) const TRACES: Section = Section {
    title: "Traces",
    about: "docs/observability.md describes the spans.",
    variables: &[
        Variable {
            name: "OTEL_EXPORTER_OTLP_ENDPOINT",
            form: Form::HttpUrl,
            unset: Unset::Means("no traces are sent"),
            example: Example::Commented("http://127.0.0.1:4318"),
            readers: EVERY,
            secret: false,
            about: "Where OTLP (protobuf over HTTP) is sent.",
        },
        Variable {
            example: Example::Commented("1"),
            ..Variable::with_default(
                "OTEL_TRACES_SAMPLER_ARG",
                Form::Share,
                "1",
                EVERY,
                "The share of payments that is traced.",
            )
        },
        Variable {
            name: "OTEL_SERVICE_NAME",
            form: Form::Text,
            unset: Unset::Means("the name of the service"),
            example: Example::Commented(""),
            readers: EVERY,
            secret: false,
            about: "The name of the process in traces.",
        },
    ],
};

pub(super) const TESTS: Section = Section {
    title: "Tests",
    about: "",
    variables: &[Variable {
        name: "PAWL_CRASH_AT",
        form: Form::CrashPoint,
        unset: Unset::Means("the process aborts nowhere"),
        example: Example::Commented("create_intent.called"),
        readers: EVERY,
        secret: false,
        about: "A crash point at which the process aborts; docs/architecture.md describes them.",
    }],
};

pub(super) const LOGS: Section = Section {
    title: "Logs",
    about: "",
    variables: &[Variable::with_default(
        "RUST_LOG",
        Form::LogFilter,
        "info",
        &[Gateway, Auth, Core, Worker, Simulator],
        "The log filter of tracing: a level, or levels by crate, as in `info,engine=debug`.",
    )],
};
