//! docs/concepts.md defines every field of the views, and the page at `/` says where everything is.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::stage::Stage;

#[test]
fn each_field_of_the_views_is_defined() {
    let page = include_str!("../../../../docs/concepts.md");
    let document = json!(gateway::openapi());
    for section in page.split("\n## ").skip(1) {
        let view = section.split('`').nth(1).unwrap();
        let properties = &document["components"]["schemas"][view]["properties"];
        let shown: BTreeSet<&str> = properties
            .as_object()
            .unwrap_or_else(|| panic!("there is no schema {view}"))
            .keys()
            .map(String::as_str)
            .collect();
        let defined: BTreeSet<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        assert_eq!(
            defined, shown,
            "docs/concepts.md and {view} of /openapi.json"
        );
    }
    for view in ["PaymentView", "RefundView", "CaptureView"] {
        assert!(
            page.contains(&format!("\n`{view}`")),
            "{view} has no section"
        );
    }
}

#[tokio::test]
async fn the_page_at_the_root_links_what_exists_and_holds_no_script() {
    let stage = Stage::start().await;
    let response = stage.bare(Method::GET, "/").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("text/html"), "{content_type}");
    let page = response.text().await.unwrap();
    assert!(
        !page.contains("<script") && !page.contains("style="),
        "{page}"
    );
    assert!(
        page.contains("http://127.0.0.1:8082/?a=1&amp;b=&quot;2&quot;"),
        "{page}"
    );
    let links: Vec<&str> = page
        .split("href=\"/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        let found = stage.bare(Method::GET, &format!("/{link}")).send().await;
        let status = found.unwrap().status();
        assert!(
            status.is_success() || status.is_redirection(),
            "/{link}: {status}"
        );
    }
}
