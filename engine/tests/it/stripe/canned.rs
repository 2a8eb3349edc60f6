//! A server that answers with the bytes it is told to, and keeps the requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::stripe::{Client, ClientConfig};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One connection's answer.
#[derive(Clone)]
pub(super) enum Reply {
    /// These bytes, and then the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, with the connection open.
    Silence,
}

pub(super) struct Canned {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Answers the first connection with the first reply and so on, and every one after the last with the last.
    pub(super) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let reply = replies[turn.min(replies.len() - 1)].clone();
                turn += 1;
                tokio::spawn(answer(stream, reply, Arc::clone(&kept)));
            }
        });
        Self { address, seen }
    }

    pub(super) async fn with(reply: Reply) -> Self {
        Self::start(vec![reply]).await
    }

    pub(super) fn client(&self) -> Client {
        client(&format!("http://{}", self.address))
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(super) fn client(base: &str) -> Client {
    let mut config = ClientConfig::new(base, SecretString::from("sk_test_canned"));
    config.timeout = Duration::from_millis(500);
    Client::new(&config).unwrap()
}

/// An answer with the length of its body.
pub(super) fn http(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    Reply::Bytes(text.into_bytes())
}

async fn answer(mut stream: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<String>>>) {
    let request = request(&mut stream).await;
    seen.lock().unwrap().push(request);
    match reply {
        Reply::Bytes(bytes) => {
            // The client may have hung up on purpose.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Silence => std::future::pending().await,
    }
}

async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
