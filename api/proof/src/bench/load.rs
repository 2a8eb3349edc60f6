//! The load: payments over HTTP, at a given rate or as many as succeed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinSet;

use super::board::{Board, Name};
use super::watch;
use crate::fleet::Connection;

const BODY: &str =
    r#"{"amount":1099,"currency":"eur","payment_method":"pm_card_visa","confirm":true}"#;
/// The benchmark fails if a payment has not succeeded this long after the last one was sent.
const DRAIN_LIMIT: Duration = Duration::from_mins(1);

/// The gateway, the token and the number of connections.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) gateway: SocketAddr,
    pub(crate) token: String,
    pub(crate) connections: usize,
}

/// How payments are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As soon as the board has a permit: a bounded number is in flight.
    Saturated,
    /// So many per second, whether earlier ones are answered or not.
    PerSecond(u64),
}

/// A request whose only changing part, the key, is written in place.
struct Request {
    bytes: Vec<u8>,
    key_at: usize,
}

const KEY_DIGITS: usize = 20;

impl Request {
    fn new(target: &Target, run: &str) -> Request {
        let head = format!(
            "POST /api/v1/payments HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nIdempotency-Key: bench-{run}-",
            target.gateway,
            target.token,
            BODY.len()
        );
        let key_at = head.len();
        let bytes = format!("{head}{:0KEY_DIGITS$}\r\n\r\n{BODY}", 0).into_bytes();
        Request { bytes, key_at }
    }

    fn with_key(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:0KEY_DIGITS$}");
        self.bytes[self.key_at..self.key_at + KEY_DIGITS].copy_from_slice(digits.as_bytes());
        &self.bytes
    }
}

/// A load that goes on until it is finished.
pub(crate) struct Load {
    board: Arc<Board>,
    stop: Arc<AtomicBool>,
    senders: JoinSet<Result<()>>,
}

impl Load {
    /// Starts to send over all connections.
    pub(crate) async fn start(target: &Target, pace: Pace, board: Arc<Board>) -> Result<Load> {
        let stop = Arc::new(AtomicBool::new(false));
        let numbers = Arc::new(AtomicU64::new(0));
        // An idempotency key is used once: each load has a prefix of its own.
        let run = uuid::Uuid::new_v4().simple().to_string();
        let start = Instant::now();
        let mut senders = JoinSet::new();
        for index in 0..target.connections {
            let sender = Sender {
                connection: Connection::open(target.gateway)
                    .await
                    .context("connecting to the gateway")?,
                request: Request::new(target, &run),
                numbers: Arc::clone(&numbers),
                board: Arc::clone(&board),
                stop: Arc::clone(&stop),
            };
            match pace {
                Pace::Saturated => senders.spawn(sender.saturate()),
                Pace::PerSecond(rate) => {
                    senders.spawn(sender.keep_pace(start, rate, index, target.connections))
                }
            };
        }
        Ok(Load {
            board,
            stop,
            senders,
        })
    }

    /// Lets the load run for that long.
    ///
    /// # Errors
    /// A request was not answered 201 meanwhile.
    pub(crate) async fn run(&mut self, time: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            Some(ended) = self.senders.join_next() => {
                ended??;
                bail!("a sender ended before its time")
            }
        }
    }

    /// Stops sending; returns when every request is answered.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        // Senders that wait for a permit stop; only then is the number of sent payments final.
        self.board.permits.close();
        while let Some(ended) = self.senders.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Stops sending, waits until every sent payment has succeeded, and returns their number.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        self.stop().await?;
        let deadline = Instant::now() + DRAIN_LIMIT;
        loop {
            let (sent, done) = self.board.counts();
            if sent == done {
                return Ok(sent);
            }
            if Instant::now() > deadline {
                bail!(
                    "{} of {sent} payments are not done {DRAIN_LIMIT:?} after the last was sent",
                    sent - done
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Sender {
    connection: Connection,
    request: Request,
    numbers: Arc<AtomicU64>,
    board: Arc<Board>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    async fn saturate(mut self) -> Result<()> {
        let board = Arc::clone(&self.board);
        while let Ok(permit) = board.permits.acquire().await {
            // The board adds a permit when a payment succeeds.
            permit.forget();
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.send(Instant::now()).await?;
        }
        Ok(())
    }

    /// Sends every n-th payment of the schedule, n being the number of connections. The latency of one that is late because
    /// the answer before it was slow counts from the time it was due: a stalled server does not stop the clock.
    async fn keep_pace(
        mut self,
        start: Instant,
        rate: u64,
        index: usize,
        connections: usize,
    ) -> Result<()> {
        let mut turn = u64::try_from(index)?;
        while !self.stop.load(Ordering::Relaxed) {
            let due = start + Duration::from_micros(turn * 1_000_000 / rate);
            let started = if Instant::now() < due {
                tokio::time::sleep_until(due.into()).await;
                // The delay of the timer is not counted as latency of the server.
                Instant::now()
            } else {
                due
            };
            self.send(started).await?;
            turn += u64::try_from(connections)?;
        }
        Ok(())
    }

    async fn send(&mut self, started: Instant) -> Result<()> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.board.send();
        let response = self
            .connection
            .send(self.request.with_key(number))
            .await
            .context("POST /api/v1/payments")?;
        let name = (response.status == 201)
            .then(|| payment(response.body))
            .flatten();
        let Some(name) = name else {
            bail!(
                "POST /api/v1/payments answered {}: {}",
                response.status,
                String::from_utf8_lossy(response.body)
            );
        };
        self.board.posted(name, started);
        Ok(())
    }
}

/// The name of the payment in an answer, found without reading the rest.
fn payment(body: &[u8]) -> Option<Name> {
    const FIELD: &[u8] = br#""id":""#;
    let at = body
        .windows(FIELD.len())
        .position(|window| window == FIELD)?;
    watch::name(&body[at + FIELD.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_changes_between_requests() {
        let gateway = "127.0.0.1:8080".parse().unwrap();
        let target = Target {
            gateway,
            token: "t".into(),
            connections: 1,
        };
        let mut request = Request::new(&target, "r");
        let first = String::from_utf8(request.with_key(7).to_vec()).unwrap();
        let second = String::from_utf8(request.with_key(8).to_vec()).unwrap();
        assert!(first.contains("Idempotency-Key: bench-r-00000000000000000007\r\n\r\n{"));
        assert_eq!(first.replace("07\r\n\r\n", "08\r\n\r\n"), second);
    }

    #[test]
    fn the_payments_name_is_found_in_an_answer() {
        let body = br#"{"id":"pay_01h2xcejqtf2nbrexx3vqjhp41","object":"payment"}"#;
        assert_eq!(payment(body), Some(*b"01h2xcejqtf2nbrexx3vqjhp41"));
        assert_eq!(payment(b"{}"), None);
    }
}
