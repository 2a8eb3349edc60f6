//! A TCP proxy in front of Postgres that can swallow what its connections send, as a failover behind a NAT does.

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections to one Postgres until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// `postgres://…` of the database behind it.
    pub(super) url: String,
    swallowed: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a port of its own for the server of this database.
    pub(super) async fn start(database_url: &str) -> Result<Proxy> {
        let mut url = reqwest::Url::parse(database_url).context("DATABASE_URL is no URL")?;
        let host = url.host_str().context("DATABASE_URL names no host")?;
        let server = format!("{host}:{}", url.port().unwrap_or(5432));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(port))
            .ok()
            .context("DATABASE_URL has no place for a port")?;
        let (swallowed, _) = watch::channel(());
        let swallows = swallowed.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server.clone(), swallows.subscribe()));
            }
        });
        Ok(Proxy {
            url: url.into(),
            swallowed,
            accepting,
        })
    }

    /// From now on, the connections that are open are never answered, and stay open; new ones work.
    pub(crate) fn swallow(&self) {
        self.swallowed.send_replace(());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut client: TcpStream, server: String, mut swallowed: watch::Receiver<()>) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    // Statements and answers are small.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = swallowed.changed() => {}
    }
    // Whatever is sent is acknowledged and goes nowhere.
    let mut nowhere = vec![0; 4096];
    while client.read(&mut nowhere).await.is_ok_and(|read| read > 0) {}
}
