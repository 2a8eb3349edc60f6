//! What is counted, and what can never become a label.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use infra::http::{Limits, bind, serve_within};
use infra::metrics::{Counters, Gauges, Histograms, page, text};
use reqwest::{Client, Method};
use tokio_util::sync::CancellationToken;

/// The lines that begin with this.
fn lines(beginning: &str) -> Vec<String> {
    let text = text();
    let found = text.lines().filter(|line| line.starts_with(beginning));
    found.map(str::to_owned).collect()
}

#[tokio::test]
async fn requests_are_counted_by_the_pattern_of_their_route() {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/things/{id}", get(|| async { "a thing" }))
        .route("/large", post(|_: String| async {}))
        .route("/metrics", get(page));
    let shutdown = CancellationToken::new();
    let serving = serve_within(
        Limits::default(),
        "counting",
        listener,
        router,
        shutdown.clone(),
    );
    let served = tokio::spawn(serving);
    let http = Client::new();
    let url = |path: &str| format!("http://{address}{path}");
    for path in [
        "/things/one_secret",
        "/things/two_secret",
        "/nowhere_secret",
    ] {
        http.get(url(path)).send().await.unwrap();
    }
    let brew = Method::from_bytes(b"BREW").unwrap();
    http.request(brew, url("/things/one_secret"))
        .send()
        .await
        .unwrap();
    let large = vec![b'x'; infra::http::BODY_LIMIT + 1];
    http.post(url("/large")).body(large).send().await.unwrap();

    let shown = http.get(url("/metrics")).send().await.unwrap();
    assert_eq!(
        shown.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let shown = shown.text().await.unwrap();
    let mut requests: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix(r#"pawl_http_requests_total{service="counting","#))
        .collect();
    requests.sort_unstable();
    assert_eq!(
        requests,
        [
            r#"method="GET",route="/things/{id}",status="200"} 2"#,
            r#"method="GET",route="none",status="404"} 1"#,
            // It was refused for its size before anybody looked for a route.
            r#"method="POST",route="none",status="413"} 1"#,
            r#"method="other",route="/things/{id}",status="405"} 1"#,
        ]
    );
    let timed = r#"pawl_http_request_seconds_count{service="counting",method="GET",route="/things/{id}"} 2"#;
    assert!(shown.contains(timed), "{shown}");
    assert!(!shown.contains("_secret"), "{shown}");
    shutdown.cancel();
    served.await.unwrap().unwrap();
}

#[test]
fn a_number_has_its_explanation_and_one_line_for_each_of_its_labels() {
    static SEEN: Counters<2> =
        Counters::new("pawl_test_seen_total", "Things seen.", ["what", "where"]);
    static HELD: Gauges<0> = Gauges::new("pawl_test_held", "Things held.", []);
    SEEN.with_labels(["bird", "sky"]).increment(2);
    SEEN.with_labels(["bird", "sky"]).increment(1);
    SEEN.with_labels(["fish", "sea"]).increment(1);
    HELD.with_labels([]).set(7);
    let mut seen = lines("pawl_test_seen_total");
    seen.sort();
    assert_eq!(
        seen,
        [
            r#"pawl_test_seen_total{what="bird",where="sky"} 3"#,
            r#"pawl_test_seen_total{what="fish",where="sea"} 1"#
        ]
    );
    assert_eq!(
        lines("# HELP pawl_test_seen_total"),
        ["# HELP pawl_test_seen_total Things seen."]
    );
    assert_eq!(
        lines("# TYPE pawl_test_seen_total"),
        ["# TYPE pawl_test_seen_total counter"]
    );
    assert_eq!(lines("pawl_test_held"), ["pawl_test_held 7"]);
    assert_eq!(lines("pawl_build_info").len(), 1);
}

#[test]
fn what_is_observed_falls_into_buckets_of_its_kind() {
    static TIMES: Histograms<0> = Histograms::new("pawl_test_seconds", "How long.", []);
    static GROUPS: Histograms<0> = Histograms::new("pawl_test_size", "How many.", []);
    TIMES.with_labels([]).record(Duration::from_millis(30));
    GROUPS.with_labels([]).record(200);
    for line in [
        r#"pawl_test_seconds_bucket{le="0.025"} 0"#,
        r#"pawl_test_seconds_bucket{le="0.05"} 1"#,
        r#"pawl_test_seconds_bucket{le="+Inf"} 1"#,
        r#"pawl_test_size_bucket{le="128"} 0"#,
        r#"pawl_test_size_bucket{le="256"} 1"#,
    ] {
        assert_eq!(lines(line), [line]);
    }
}

#[tokio::test]
async fn a_pool_tells_how_many_connections_it_has() {
    let pool = infra::postgres::pool("postgres://nobody@127.0.0.1:1/none", 3).unwrap();
    infra::postgres::watch("pooling", pool, CancellationToken::new());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while lines(r#"pawl_db_pool_connections{service="pooling""#).len() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "{}", text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
