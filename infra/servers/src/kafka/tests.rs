//! Clients of a broker that asks for a user, and speaks TLS where the program is built for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

use std::time::Duration;

use infra::Env;
use infra::kafka::{Brokers, consumer, count_brokers, single_message_producer};
use rdkafka::Message as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::producer::FutureRecord;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Kafka, properties};
use crate::home::Home;
use crate::ports;

const PATIENCE: Duration = Duration::from_secs(20);

/// The user of the mechanisms that keep no password in the properties.
const USER: [&str; 4] = [
    "--add-scram",
    "SCRAM-SHA-256=[name=pawl,password=right]",
    "--add-scram",
    "SCRAM-SHA-512=[name=pawl,password=right]",
];

/// A broker with one more listener, of this protocol, and the port of it.
async fn secured(protocol: &str, more: &str) -> (Kafka, u16, tempfile::TempDir) {
    let (directory, port) = (tempfile::tempdir().unwrap(), ports::free().unwrap());
    let jars = Home::find().unwrap().kafka_jars().unwrap();
    let kafka = Kafka::start_with(&jars, directory.path(), &USER, |dir, plain, controller| {
        let listener = "listener.name.secured";
        let login = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
        format!(
            "{}listeners=PLAINTEXT://127.0.0.1:{plain},SECURED://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURED://localhost:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:{protocol}
{listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
{listener}.plain.sasl.jaas.config={login} required user_pawl=\"right\";
{listener}.scram-sha-256.sasl.jaas.config={scram} required;
{listener}.scram-sha-512.sasl.jaas.config={scram} required;
{more}",
            properties(dir, plain, controller),
        )
    });
    (kafka.await.unwrap(), port, directory)
}

/// The brokers at this port as these variables describe them.
fn brokers(port: u16, variables: &[(&str, &str)]) -> Brokers {
    let address = format!("localhost:{port}");
    let given = [("KAFKA_BROKERS", address.as_str())];
    let env = Env::from_pairs(given.into_iter().chain(variables.iter().copied()));
    Brokers::from_env(&env)
}

async fn answers(brokers: Brokers) -> bool {
    let asked = spawn_blocking(move || count_brokers(&brokers, Duration::from_secs(5)));
    asked.await.unwrap().is_ok()
}

/// Sends a message and takes it.
async fn exchange(brokers: &Brokers) {
    let producer = single_message_producer(brokers).unwrap();
    let record = FutureRecord::to("secured").key("key").payload("message");
    producer.send(record, PATIENCE).await.unwrap();
    let consumer = consumer(brokers, "secured", |_| {}).unwrap();
    consumer.subscribe(&["secured"]).unwrap();
    let message = timeout(PATIENCE, consumer.recv()).await.unwrap().unwrap();
    assert_eq!(message.payload(), Some(&b"message"[..]));
}

#[tokio::test]
async fn a_user_with_the_password_is_let_in_and_nobody_else() {
    let (_kafka, port, _directory) = secured("SASL_PLAINTEXT", "").await;
    let of = |password| {
        let variables = [
            ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
            ("KAFKA_SASL_USERNAME", "pawl"),
            ("KAFKA_SASL_PASSWORD", password),
        ];
        brokers(port, &variables)
    };
    exchange(&of("right")).await;
    assert!(answers(of("right")).await);
    assert!(!answers(of("wrong")).await);
    assert!(!answers(brokers(port, &[])).await);
    assert!(!format!("{:?}", of("right")).contains("right"));
}

#[cfg(feature = "kafka-tls")]
#[tokio::test]
async fn a_broker_with_tls_is_trusted_by_its_authority_only() {
    let made = tempfile::tempdir().unwrap();
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost \
                  -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem";
    let status = std::process::Command::new("sh")
        .args(["-c", script])
        .current_dir(made.path())
        .status();
    assert!(status.unwrap().success());
    let pem = |name| {
        let text = std::fs::read_to_string(made.path().join(name)).unwrap();
        text.trim_end().replace('\n', "\\n")
    };
    let listener = "listener.name.secured.ssl.keystore";
    let more = format!(
        "{listener}.type=PEM\n{listener}.certificate.chain={}\n{listener}.key={}\n",
        pem("cert.pem"),
        pem("key.pem"),
    );
    let (_kafka, port, _directory) = secured("SASL_SSL", &more).await;
    let authority = made.path().join("cert.pem");
    let of = |authority: Option<&str>| {
        let mut variables = vec![
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_USERNAME", "pawl"),
            ("KAFKA_SASL_PASSWORD", "right"),
        ];
        variables.extend(authority.map(|path| ("KAFKA_SSL_CA_FILE", path)));
        brokers(port, &variables)
    };
    let trusted = of(authority.to_str());
    exchange(&trusted).await;
    assert!(answers(trusted).await);
    assert!(!answers(of(None)).await);
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let of = |password| {
            let variables = [
                ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
                ("KAFKA_SASL_MECHANISM", mechanism),
                ("KAFKA_SASL_USERNAME", "pawl"),
                ("KAFKA_SASL_PASSWORD", password),
                ("KAFKA_SSL_CA_FILE", authority.to_str().unwrap()),
            ];
            brokers(port, &variables)
        };
        assert!(answers(of("right")).await, "{mechanism}");
        assert!(!answers(of("wrong")).await, "{mechanism}");
    }
}
