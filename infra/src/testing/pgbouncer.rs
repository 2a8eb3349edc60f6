//! A real `PgBouncer` in front of the tests' Postgres.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use super::unique;

/// A running `PgBouncer` in transaction mode; it ends with this value.
#[derive(Debug)]
pub struct PgBouncer {
    server: Child,
    dir: PathBuf,
    url: String,
}

impl PgBouncer {
    /// Starts Debian's `pgbouncer` in front of the database of `url`. `connect_query` is run on each connection that it
    /// opens to Postgres, and `settings` are further lines of its configuration.
    pub async fn start(url: &str, connect_query: &str, settings: &str) -> Self {
        let target = PgConnectOptions::from_str(url).expect("a Postgres URL");
        let database = target.get_database().expect("the URL names a database");
        let port = free_port().await;
        let dir = std::env::temp_dir().join(unique("pgbouncer"));
        fs::create_dir_all(&dir).expect("a directory for the configuration");
        let connect_query = Some(connect_query)
            .filter(|query| !query.is_empty())
            .map(|query| format!(" connect_query='{query}'"))
            .unwrap_or_default();
        let file = dir.join("pgbouncer.ini");
        let configuration = format!(
            "[databases]\n{database} = host={} port={} user={}{connect_query}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\n{settings}\n",
            target.get_host(),
            target.get_port(),
            target.get_username(),
        );
        fs::write(&file, configuration).expect("the configuration is written");
        let mut command = Command::new("pgbouncer");
        if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
        {
            // It refuses to run as root.
            command.args(["-u", "postgres"]);
        }
        let server = command
            .arg("-q")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer is installed: infra/scripts/setup.sh test");
        let url = target.host("127.0.0.1").port(port);
        let url = sqlx::ConnectOptions::to_url_lossy(&url).to_string();
        let pgbouncer = Self { server, dir, url };
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            assert!(Instant::now() < deadline, "pgbouncer does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pgbouncer
    }

    /// The address of the database through it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
        fs::remove_dir_all(&self.dir).ok();
    }
}

async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    listener
        .local_addr()
        .expect("the listener has an address")
        .port()
}
