//! `pawl bench --http`: the cost of the HTTP services alone, while no payment moves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use infra::limit::{Bucket, Limiter, WithoutRedis};
use serde_json::{Value, json};
use servers::Progress;
use tokio::task::JoinSet;

use super::hello;
use super::hello::Hello;
use super::http_report::{HttpReport, HttpRound, HttpSetting, Rate};
use super::machine::{build, machine};
use super::options::BenchOptions;
use crate::fleet::{
    Connection, Fleet, FleetOptions, Sharing, commit, cpu_of, credentials, run_name,
};

/// The time that is not measured: connections are opened and caches filled.
const WARM_UP: Duration = Duration::from_secs(2);
/// Each server gets one thread, which leaves the other core to the client.
const THREADS: &str = "1";
/// A rate limit that is checked at each request and never reached.
const NEVER_REACHED: &str = "1000000000";
/// Users whose buckets are checked in turn.
const USERS: usize = 1_000;
/// Logins at the same time.
const LOGINS: usize = 8;

/// Measures.
pub(super) async fn measure(options: &BenchOptions) -> Result<HttpReport> {
    let mut progress = Progress::new();
    let fleet_options = FleetOptions {
        name: run_name("http"),
        workers: 1,
        sharing: Sharing::Polite,
        log: "warn",
        operations: false,
        environment: vec![("TOKIO_WORKER_THREADS", THREADS.to_owned())],
    };
    let mut fleet = Fleet::start(&fleet_options, &mut progress).await?;
    let limited = fleet
        .another_gateway(vec![(
            "RATE_LIMIT_USER_PER_MINUTE",
            NEVER_REACHED.to_owned(),
        )])
        .await?;
    let hello = Hello::start(THREADS).await?;
    let subjects = Subjects::open(&fleet, &hello, limited, options).await?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        rounds.push(subjects.round(&mut progress).await?);
    }
    progress.end();
    fleet.stop(true).await?;
    let setting = HttpSetting {
        commit: commit(),
        machine: machine(),
        build: build(),
        rounds: rounds.len(),
        seconds: options.seconds,
        connections: options.connections,
        threads: THREADS,
        argon2: "argon2id, m=19456 KiB, t=2, p=1",
    };
    Ok(HttpReport::new(&rounds, setting))
}

/// A server, the request for it, and its process.
struct Subject {
    server: SocketAddr,
    request: Arc<[u8]>,
    pid: i32,
}

/// All servers that are measured, and how.
struct Subjects {
    hello: Subject,
    unlimited: Subject,
    limited: Subject,
    login: Subject,
    limiter: Limiter,
    connections: usize,
    time: Duration,
}

impl Subjects {
    async fn open(
        fleet: &Fleet,
        hello: &Hello,
        limited: (SocketAddr, i32),
        options: &BenchOptions,
    ) -> Result<Subjects> {
        let token = fleet.log_in().await?;
        let path = cached_payment(fleet, &token).await?;
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let auth: SocketAddr = fleet.auth.trim_start_matches("http://").parse()?;
        let subject = |server, pid: Option<i32>, request| {
            Ok::<_, anyhow::Error>(Subject {
                server,
                request,
                pid: pid.context("a server does not run")?,
            })
        };
        let key = format!(
            "X-API-Key: {}\r\nContent-Type: application/json\r\n",
            fleet.keys.api_key
        );
        Ok(Subjects {
            hello: subject(hello.address, hello.pid(), get(hello::PATH, &bearer))?,
            unlimited: subject(fleet.gateway, fleet.pid("gateway"), get(&path, &bearer))?,
            limited: subject(limited.0, Some(limited.1), get(&path, &bearer))?,
            login: subject(
                auth,
                fleet.pid("auth"),
                post("/api/v1/auth/login", &key, &credentials()),
            )?,
            limiter: Limiter::connect(&fleet.servers.redis_url)?,
            connections: options.connections,
            time: Duration::from_secs(options.seconds),
        })
    }

    async fn round(&self, progress: &mut Progress) -> Result<HttpRound> {
        progress.begin("bare hello");
        let hello = self.rate(&self.hello, self.connections).await?;
        progress.done(format!("{:.0}/s", hello.per_second));
        progress.begin("cached GET");
        let unlimited = self.rate(&self.unlimited, self.connections).await?;
        progress.done(format!("{:.0}/s", unlimited.per_second));
        progress.begin("limited GET");
        let limited = self.rate(&self.limited, self.connections).await?;
        progress.done(format!("{:.0}/s", limited.per_second));
        progress.begin("limiter");
        let decisions = self.decisions().await?;
        progress.done(format!("{decisions:.0} decisions/s"));
        progress.begin("logins");
        let logins = self.rate(&self.login, LOGINS).await?.per_second;
        progress.done(format!("{logins:.1}/s"));
        Ok(HttpRound {
            hello,
            unlimited,
            limited,
            decisions,
            logins,
        })
    }

    /// Sends the same request again and again on so many kept-alive connections; every answer must be a 200.
    async fn rate(&self, subject: &Subject, connections: usize) -> Result<Rate> {
        let (count, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            let (count, stop, request) = (
                Arc::clone(&count),
                Arc::clone(&stop),
                Arc::clone(&subject.request),
            );
            let mut connection = Connection::open(subject.server).await?;
            senders.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = connection.send(&request).await?;
                    if answer.status != 200 {
                        bail!(
                            "an answer {}: {}",
                            answer.status,
                            String::from_utf8_lossy(answer.body)
                        );
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        tokio::time::sleep(WARM_UP).await;
        let (start, before, cpu_before) = (
            Instant::now(),
            count.load(Ordering::Relaxed),
            cpu(subject.pid)?,
        );
        tokio::time::sleep(self.time).await;
        let (time, after, cpu_after) = (
            start.elapsed(),
            count.load(Ordering::Relaxed),
            cpu(subject.pid)?,
        );
        stop.store(true, Ordering::Relaxed);
        while let Some(ended) = senders.join_next().await {
            ended??;
        }
        let requests = f64::from(u32::try_from(after - before)?);
        if requests < 1.0 {
            bail!("{} answered nothing in {time:?}", subject.server);
        }
        Ok(Rate {
            per_second: requests / time.as_secs_f64(),
            cpu_us: f64::from(u32::try_from(cpu_after - cpu_before)?) / requests,
        })
    }

    /// Decisions per second of the rate limiter, used as a gateway uses it: one script each, many at the same time.
    async fn decisions(&self) -> Result<f64> {
        let (count, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut askers = JoinSet::new();
        for asker in 0..self.connections {
            let (count, stop, limiter) =
                (Arc::clone(&count), Arc::clone(&stop), self.limiter.clone());
            askers.spawn(async move {
                for user in (asker..).step_by(7) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let buckets: Vec<_> =
                        Bucket::new(format!("bench:{}", user % USERS), u32::MAX / 1_000)
                            .into_iter()
                            .collect();
                    // A decision without Redis must not be counted.
                    let decision = limiter
                        .take(&buckets, WithoutRedis::CountInProcess)
                        .await
                        .context("no decision")?;
                    if !decision.allowed {
                        bail!("a limit that cannot be reached was reached");
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        tokio::time::sleep(WARM_UP).await;
        let (start, before) = (Instant::now(), count.load(Ordering::Relaxed));
        tokio::time::sleep(self.time).await;
        let (time, after) = (start.elapsed(), count.load(Ordering::Relaxed));
        stop.store(true, Ordering::Relaxed);
        while let Some(ended) = askers.join_next().await {
            ended??;
        }
        Ok(f64::from(u32::try_from(after - before)?) / time.as_secs_f64())
    }
}

/// Creates a payment, reads it once so that it is in the cache, and returns its path.
async fn cached_payment(fleet: &Fleet, token: &str) -> Result<String> {
    let payments = format!("http://{}/api/v1/payments", fleet.gateway);
    let request = fleet.http.post(&payments).bearer_auth(token);
    let request = request.header("Idempotency-Key", "the-payment-of-the-bench");
    let made: Value = request
        .json(&json!({"amount": 1099, "currency": "eur"}))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let id = made["id"].as_str().context("a payment without an id")?;
    let read = fleet
        .http
        .get(format!("{payments}/{id}"))
        .bearer_auth(token);
    read.send().await?.error_for_status()?;
    Ok(format!("/api/v1/payments/{id}"))
}

fn get(path: &str, headers: &str) -> Arc<[u8]> {
    format!("GET {path} HTTP/1.1\r\nHost: pawl\r\n{headers}\r\n")
        .into_bytes()
        .into()
}

fn post(path: &str, headers: &str, body: &Value) -> Arc<[u8]> {
    let body = body.to_string();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: pawl\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
        .into()
}

fn cpu(pid: i32) -> Result<u64> {
    let name = "server".to_owned();
    let used = cpu_of(&BTreeMap::from([(name.clone(), pid)]))?;
    used.get(&name).copied().context("a server does not run")
}
