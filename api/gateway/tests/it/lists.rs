//! Pages of a list meet without a gap and without an overlap.

use reqwest::StatusCode;
use serde_json::Value;

use crate::stage::{PAYMENTS, Stage, body, path_of, problem};

fn ids(page: &Value) -> Vec<String> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn payments_are_listed_newest_first_and_pages_meet() {
    let stage = Stage::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(stage.payment().await["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    let page = async |query: &str| {
        body(
            stage.get(&format!("{PAYMENTS}{query}")).await,
            StatusCode::OK,
        )
        .await
    };

    let all = page("").await;
    assert_eq!(
        (all["object"].as_str(), all["has_more"].as_bool()),
        (Some("list"), Some(false))
    );
    assert_eq!(ids(&all), made);

    let first = page("?limit=2").await;
    assert_eq!(
        (ids(&first), first["has_more"].as_bool()),
        (made[..2].to_vec(), Some(true))
    );
    let second = page(&format!("?limit=2&starting_after={}", made[1])).await;
    assert_eq!(
        (ids(&second), second["has_more"].as_bool()),
        (made[2..4].to_vec(), Some(true))
    );
    let last = page(&format!("?limit=2&starting_after={}", made[3])).await;
    assert_eq!(
        (ids(&last), last["has_more"].as_bool()),
        (made[4..].to_vec(), Some(false))
    );

    let back = page(&format!("?limit=2&ending_before={}", made[3])).await;
    assert_eq!(
        (ids(&back), back["has_more"].as_bool()),
        (made[1..3].to_vec(), Some(true))
    );
    let top = page(&format!("?limit=2&ending_before={}", made[1])).await;
    assert_eq!(
        (ids(&top), top["has_more"].as_bool()),
        (made[..1].to_vec(), Some(false))
    );

    assert_eq!(ids(&page("?status=local_created").await).len(), 5);
    assert_eq!(ids(&page("?status=succeeded").await).len(), 0);
}

#[tokio::test]
async fn a_list_refuses_what_it_does_not_know() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
        ("status=paid", "status"),
        ("starting_after=evt_1", "starting_after"),
        ("ending_before=", "ending_before"),
    ] {
        let response = stage.get(&format!("{PAYMENTS}?{query}")).await;
        problem(response, 400, "invalid_parameter", Some(param)).await;
    }
    let id = payment["id"].as_str().unwrap();
    let both = stage
        .get(&format!(
            "{PAYMENTS}?starting_after={id}&ending_before={id}"
        ))
        .await;
    problem(both, 400, "invalid_parameter", Some("ending_before")).await;
    for below in ["/events?status=succeeded", "/refunds?status=succeeded"] {
        problem(
            stage.get(&path_of(&payment, below)).await,
            400,
            "invalid_parameter",
            Some("status"),
        )
        .await;
    }
}

#[tokio::test]
async fn events_are_numbered_and_continue_behind_a_cursor() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    stage
        .post(&path_of(&payment, "/cancel"), &serde_json::json!({}))
        .await;
    let page =
        async |query: &str| body(stage.get(&path_of(&payment, query)).await, StatusCode::OK).await;
    let first = page("/events?limit=1").await;
    assert_eq!(first["has_more"], true);
    assert_eq!(first["data"][0]["version"], 2);
    assert_eq!(first["data"][0]["payment_id"], payment["id"]);
    assert_eq!(first["data"][0]["subject"], payment["id"]);
    let newest = ids(&first).remove(0);
    let second = page(&format!("/events?starting_after={newest}")).await;
    assert_eq!(
        (ids(&second).len(), &second["has_more"]),
        (1, &Value::Bool(false))
    );
    assert_eq!(second["data"][0]["from"], Value::Null);
    assert_eq!(second["data"][0]["to"], "local_created");

    let other = stage.payment().await;
    let foreign = stage
        .get(&path_of(
            &other,
            &format!("/events?starting_after={newest}"),
        ))
        .await;
    problem(foreign, 404, "not_found", None).await;
}
