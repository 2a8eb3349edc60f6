//! A real Apache Kafka broker: one node that is its own controller (`KRaft`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
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
    /// The broker's process; nothing while it is restarted.
    child: Arc<Mutex<Option<Child>>>,
    place: Place,
}

/// Where a broker works.
#[derive(Debug, Clone)]
struct Place {
    jars: PathBuf,
    dir: PathBuf,
    port: u16,
}

impl Kafka {
    /// Starts a broker from the jars in `jars`; its data and its log are in `dir`.
    pub(crate) async fn start(jars: &Path, dir: &Path) -> Result<Kafka> {
        Self::start_with(jars, dir, &[], properties).await
    }

    /// As [`Kafka::start`], with these arguments of the storage tool, and the properties for its directory, its port and that of
    /// the controller.
    async fn start_with(
        jars: &Path,
        dir: &Path,
        arguments: &[&str],
        properties: impl Fn(&Path, u16, u16) -> String,
    ) -> Result<Kafka> {
        leftovers::stop(PROGRAM, dir).await?;
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        let mut failure = None;
        for _ in 0..3 {
            let port = ports::free()?;
            fs::write(
                dir.join("server.properties"),
                properties(&dir, port, ports::free()?),
            )?;
            fs::write(dir.join("log4j2.properties"), LOGGING)?;
            let place = Place {
                jars: jars.to_owned(),
                dir: dir.clone(),
                port,
            };
            if !dir.join("data/meta.properties").exists() {
                let mut format = java(jars, &dir, "kafka.tools.StorageTool");
                format.args([
                    "format",
                    "--cluster-id",
                    "cGF3bC1wYXdsLXBhd2wtMQ",
                    "--config",
                    "server.properties",
                ]);
                format.args(arguments);
                Child::spawn("Kafka's storage tool", format, &place.log())?
                    .success()
                    .await?;
            }
            match place.run().await {
                Ok(child) => {
                    return Ok(Kafka {
                        child: Arc::new(Mutex::new(Some(child))),
                        place,
                    });
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| anyhow!("Kafka did not start")))
    }

    /// Stops the broker, and starts it `pause` later with the same data and on the same port. Returns when it answers.
    pub(crate) fn restart(
        &self,
        pause: Duration,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let (child, place) = (Arc::clone(&self.child), self.place.clone());
        async move {
            let mut child = child.lock().await;
            let running = child.take();
            // Dropping it waits for its end.
            spawn_blocking(move || drop(running)).await?;
            sleep(pause).await;
            *child = Some(place.run().await?);
            Ok(())
        }
    }

    /// `host:port` for a client's `bootstrap.servers`.
    pub(crate) fn brokers(&self) -> String {
        self.place.brokers()
    }

    /// The broker's process id, if it is not being restarted.
    pub(crate) fn process_id(&self) -> Option<u32> {
        let child = self.child.try_lock().ok()?;
        child.as_ref().map(Child::id)
    }
}

impl Place {
    fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the broker as its files in the directory say; returns when it answers.
    async fn run(&self) -> Result<Child> {
        let mut command = java(&self.jars, &self.dir, "kafka.Kafka");
        command.arg("server.properties");
        let mut child = Child::spawn("Kafka", command, &self.log())?;
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            child.running()?;
            let brokers = self.brokers();
            if spawn_blocking(move || answers(&brokers)).await? {
                return Ok(child);
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

#[cfg(test)]
mod tests;
