//! A TCP proxy that can swallow what its connections send, as a failover behind a NAT does, or refuse all of them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Forwards connections to one server until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    swallowed: watch::Sender<()>,
    refusing: watch::Sender<bool>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Listens on a port of its own, for a server at `host:port`.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (swallowed, _) = watch::channel(());
        let (refusing, _) = watch::channel(false);
        let (swallows, gate) = (swallowed.clone(), refusing.clone());
        let address = listener.local_addr().expect("the listener has an address");
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let forwarded = forward(client, server.clone(), swallows.subscribe());
                let mut gate = gate.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        () = forwarded => {}
                        _ = gate.wait_for(|is_refusing| *is_refusing) => {}
                    }
                });
            }
        });
        Self {
            address,
            swallowed,
            refusing,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections and each new one, as a server does that is being restarted, or accepts them again.
    pub fn refuse(&self, refuses: bool) {
        self.refusing.send_replace(refuses);
    }

    /// From now on, the connections that are open are never answered, and stay open; new ones work.
    pub fn swallow(&self) {
        self.swallowed.send_replace(());
    }
}

async fn forward(mut client: TcpStream, server: String, mut swallowed: watch::Receiver<()>) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = swallowed.changed() => {}
    }
    // Whatever is sent is acknowledged and goes nowhere.
    let mut nowhere = vec![0; 4096];
    while client.read(&mut nowhere).await.is_ok_and(|read| read > 0) {}
}
