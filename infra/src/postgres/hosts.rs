//! Several servers of one database, of which one accepts writes: a primary and its standbys. After a failover the pool opens
//! its connections to the server that was promoted.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};

use super::bound;

/// The form that an address has.
const FORM: &str = "the database URL is not of the form postgres://user:password@host:port/database, with commas between several \
    hosts";

/// The pause between two looks at the server in use, and between two searches while none accepts writes.
const LOOK: Duration = Duration::from_secs(1);

/// How long a server may take to say whether it accepts writes.
const SAYS_WITHIN: Duration = Duration::from_secs(1);

/// The parameter of libpq that says which of the hosts is wanted. Only a server that accepts writes is of use here.
const WANTED: &str = "target_session_attrs";

/// The addresses of the servers that a URL names, in its order, as libpq reads it: each host may have a port.
///
/// # Errors
/// If it is not a Postgres URL, or asks for a server that need not accept writes.
pub(super) fn parse(url: &str) -> anyhow::Result<Vec<PgConnectOptions>> {
    let (scheme, rest) = url.split_once("://").context(FORM)?;
    // sqlx itself takes any scheme.
    ensure!(matches!(scheme, "postgres" | "postgresql"), FORM);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let has_gap = hosts.contains(',') && hosts.split(',').any(str::is_empty);
    ensure!(!has_gap, FORM);
    let path = without_wanted(path)?;
    let options = hosts.split(',').map(|host| {
        format!("{scheme}://{user}{host}{path}")
            .parse()
            .context(FORM)
    });
    options.collect()
}

/// The path without the parameter that sqlx does not know.
fn without_wanted(path: &str) -> anyhow::Result<String> {
    let Some((path, query)) = path.split_once('?') else {
        return Ok(path.to_owned());
    };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some((WANTED, "read-write" | "primary")) => {}
            Some((WANTED, other)) => {
                bail!(
                    "{WANTED} is {other} in the database URL, but only read-write and primary are of use"
                )
            }
            _ => kept.push(pair),
        }
    }
    let kept = kept.join("&");
    Ok(if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{kept}")
    })
}

/// Refuses a connection to a standby, which would fail at the first write.
///
/// # Errors
/// If the server is a standby, or did not answer.
pub(super) async fn check_writable(connection: &mut PgConnection) -> sqlx::Result<()> {
    if accepts_writes(connection).await? {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(
        "this server is a standby".into(),
    ))
}

async fn accepts_writes(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let is_standby: bool = sqlx::query_scalar("select pg_is_in_recovery()")
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(!is_standby)
}

/// Has the pool open its connections to the server that accepts writes, until the pool is closed. It stays with a server as
/// long as that one accepts writes: that an old primary does not, after another server was promoted, is the task of whoever
/// promotes.
pub(super) async fn follow(pool: PgPool, servers: Vec<PgConnectOptions>) {
    let mut closed = pool.close_event();
    let followed = async {
        let mut used = 0;
        let mut watched = None;
        loop {
            if !still_writable(&mut watched).await
                && let Some((found, connection)) = find(&servers, used).await
            {
                watched = Some(connection);
                if found != used {
                    switch(&pool, &servers, found);
                    used = found;
                }
            }
            sleep(LOOK).await;
        }
    };
    let _: Result<(), _> = closed.do_until(followed).await;
}

/// Whether the server of the connection still accepts writes. A connection that does not say so is given up.
async fn still_writable(watched: &mut Option<PgConnection>) -> bool {
    let Some(connection) = watched else {
        return false;
    };
    let says = timeout(SAYS_WITHIN, accepts_writes(connection)).await;
    let still = matches!(says, Ok(Ok(true)));
    if !still {
        *watched = None;
    }
    still
}

/// The first server that accepts writes, with a connection to it; the one in use is asked first.
async fn find(servers: &[PgConnectOptions], used: usize) -> Option<(usize, PgConnection)> {
    let order = std::iter::once(used).chain((0..servers.len()).filter(|it| *it != used));
    for place in order {
        let asked = async {
            let mut connection = PgConnection::connect_with(servers.get(place)?).await.ok()?;
            let writable = accepts_writes(&mut connection).await.ok()?;
            writable.then_some(connection)
        };
        if let Ok(Some(connection)) = timeout(SAYS_WITHIN, asked).await {
            return Some((place, connection));
        }
    }
    None
}

fn switch(pool: &PgPool, servers: &[PgConnectOptions], place: usize) {
    let Some(server) = servers.get(place) else {
        return;
    };
    let (host, port) = (server.get_host(), server.get_port());
    tracing::warn!(
        host,
        port,
        "another Postgres server accepts writes now; connections are opened to it, and those to the former one are closed"
    );
    pool.set_connect_options(server.clone());
    bound::distrust();
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn hosts(url: &str) -> Vec<(String, u16, Option<String>)> {
        let options = parse(url).unwrap();
        let facts = options.iter().map(|it| {
            let database = it.get_database().map(str::to_owned);
            (it.get_host().to_owned(), it.get_port(), database)
        });
        facts.collect()
    }

    #[test]
    fn each_host_of_a_url_is_a_server_of_the_same_database() {
        let pawl = || Some("pawl".to_owned());
        assert_eq!(
            hosts("postgres://a:b@one:6543/pawl"),
            [("one".to_owned(), 6543, pawl())]
        );
        let url = "postgresql://a:b%40c@one,two:6543,10.0.0.3/pawl?sslmode=disable&target_session_attrs=read-write";
        let found = hosts(url);
        let expected = [("one", 5432), ("two", 6543), ("10.0.0.3", 5432)];
        let expected = expected.map(|(host, port)| (host.to_owned(), port, pawl()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_url_of_another_form_is_refused() {
        for url in [
            "one,two/pawl",
            "mysql://one,two/pawl",
            "postgres://one,two:port/pawl",
            "postgres://one,,two/pawl",
            "postgres://one,two/pawl?target_session_attrs=any",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
