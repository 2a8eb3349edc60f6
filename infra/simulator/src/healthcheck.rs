//! The health check of a simulator that runs, for containers that have no other program.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Enough for the status line and all headers.
const HEAD: u64 = 4_096;

/// Asks the simulator that listens on `address` whether it runs; one that listens everywhere is asked over loopback.
///
/// # Errors
/// If it does not answer 200 within 5 s; the error says what happened instead.
pub async fn check_health(mut address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let answer = tokio::time::timeout(ANSWER_WITHIN, ask(address));
    let answer = answer.await.context("no answer within 5 s")?;
    let answer = answer.with_context(|| format!("no simulator answers at {address}"))?;
    let status = answer.lines().next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200 ") {
        bail!("the simulator at {address} answers {status:?}");
    }
    Ok(())
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(HEAD).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
