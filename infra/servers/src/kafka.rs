//! A real Apache Kafka broker: one node that is its own controller (`KRaft`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::{leftovers, ports};

/// The name of the executable that runs the broker.
pub(crate) const PROGRAM: &str = "java";

/// Warnings only: the normal log of a broker fills hundreds of lines.
const LOGGING: &str = "status = error
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = OUT
";

/// A running broker. A topic is created at its first use, with eight partitions.
#[derive(Debug)]
pub(crate) struct Kafka {
    child: Child,
    port: u16,
}

impl Kafka {
    /// Starts a broker from the jars in `jars`; its data and its log are in `dir`.
    pub(crate) async fn start(jars: &Path, dir: &Path) -> Result<Kafka> {
        leftovers::stop(PROGRAM, dir).await?;
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        let log = dir.with_extension("log");
        let mut failure = None;
        for _ in 0..3 {
            let port = ports::free()?;
            fs::write(
                dir.join("server.properties"),
                properties(&dir, port, ports::free()?),
            )?;
            fs::write(dir.join("log4j2.properties"), LOGGING)?;
            if !dir.join("data/meta.properties").exists() {
                let mut format = java(jars, &dir, "kafka.tools.StorageTool");
                format.args([
                    "format",
                    "--cluster-id",
                    "cGF3bC1wYXdsLXBhd2wtMQ",
                    "--config",
                    "server.properties",
                ]);
                Child::spawn("Kafka's storage tool", format, &log)?
                    .success()
                    .await?;
            }
            let mut command = java(jars, &dir, "kafka.Kafka");
            command.arg("server.properties");
            let child = Child::spawn("Kafka", command, &log)?;
            match (Kafka { child, port }).ready().await {
                Ok(server) => return Ok(server),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| anyhow!("Kafka did not start")))
    }

    /// `host:port` for a client's `bootstrap.servers`.
    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The broker's process id.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    async fn ready(mut self) -> Result<Kafka> {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            self.child.running()?;
            let brokers = self.brokers();
            if tokio::task::spawn_blocking(move || answers(&brokers)).await? {
                return Ok(self);
            }
            if Instant::now() > deadline {
                bail!("Kafka started but did not answer within 90 s");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// True when the broker lists itself as a member of its cluster.
fn answers(brokers: &str) -> bool {
    let client: Result<BaseConsumer, _> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("log_level", "0")
        .create();
    let metadata = client.and_then(|client| client.fetch_metadata(None, Duration::from_secs(2)));
    metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
}

/// Runs `class` with a small heap. The first tier of compilation alone starts faster and is fast enough for one node.
fn java(jars: &Path, dir: &Path, class: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(dir)
        .args([
            "-Xms128m",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
        ])
        .arg("-Dlog4j2.configurationFile=log4j2.properties")
        .arg("-cp")
        .arg(classpath(jars))
        .arg(class);
    command
}

fn classpath(jars: &Path) -> PathBuf {
    jars.join("*")
}

fn properties(dir: &Path, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
num.partitions=8
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
",
        dir.join("data").display()
    )
}
