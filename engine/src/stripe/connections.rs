//! The open connections to Stripe, which are replaced when one of them does not answer in time.
//!
//! After a failover, a proxy or a NAT may drop what is sent without closing the connection. Then the other connections that
//! were open at that moment go the same way, and waiting for each of them would cost a time-out per connection.

use std::fmt;
use std::time::Instant;

use parking_lot::Mutex;
use reqwest::{RequestBuilder, Response};

/// An HTTP client with its connections, and how another one is made.
pub(super) struct Connections {
    build: Box<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>,
    current: Mutex<Current>,
}

struct Current {
    http: reqwest::Client,
    since: Instant,
}

impl Connections {
    /// No connection is opened yet.
    pub(super) fn new(
        build: impl Fn() -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> reqwest::Result<Self> {
        let http = build().build()?;
        let since = Instant::now();
        Ok(Self {
            build: Box::new(build),
            current: Mutex::new(Current { http, since }),
        })
    }

    /// The client of these connections.
    pub(super) fn now(&self) -> reqwest::Client {
        self.current.lock().http.clone()
    }

    /// Sends a request over the connections that are current now, not when the request was made.
    pub(super) async fn send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        self.now().execute(request.build()?).await
    }

    /// Leaves the open connections to the requests that use them, because a request that was sent at `sent` was not answered
    /// in time. Without effect if they were replaced since then.
    pub(super) fn replace(&self, sent: Instant) {
        let mut current = self.current.lock();
        if current.since > sent {
            return;
        }
        match (self.build)().build() {
            Ok(http) => {
                let since = Instant::now();
                *current = Current { http, since };
                tracing::warn!(
                    "Stripe did not answer in time; the next requests are sent over new connections"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "Stripe did not answer in time, and no other HTTP client could be made; the open connections are used on");
            }
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Connections")
    }
}
