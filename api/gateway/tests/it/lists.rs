//! Pages of a list meet without a gap and without an overlap.

use infra::testing::unique;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PAYMENTS, Stage, body, created, path_of, problem};

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
        ("amount=10.5", "amount"),
        ("amount[gte]=-1", "amount[gte]"),
        ("amount[lte]=9223372036854775808", "amount[lte]"),
        ("amount[lt]=1", "amount[lt]"),
        ("created[gte]=yesterday", "created[gte]"),
        ("created[lt]=2026-02-30T00:00:00Z", "created[lt]"),
        ("metadata=1", "metadata"),
        ("metadata[order]=1&metadata[order]=2", "metadata[order]"),
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

/// The ids of a list, which must be all of it.
async fn found(stage: &Stage, query: &[(&str, &str)]) -> Vec<String> {
    let request = stage.request(reqwest::Method::GET, PAYMENTS).query(query);
    let page = body(request.send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(page["has_more"], false, "{query:?}");
    ids(&page)
}

#[tokio::test]
async fn a_list_is_narrowed_by_all_that_is_asked() {
    let stage = Stage::start().await;
    let reference = unique("order");
    let mut made = Vec::new();
    for (amount, metadata) in [
        (100, json!({})),
        (200, json!({"shop": "north", "till": "1"})),
        (300, json!({"shop": "north", "till": "2"})),
        (300, json!({"shop": "south"})),
    ] {
        let mut request = json!({"amount": amount, "currency": "eur", "metadata": metadata});
        if amount == 200 {
            request["reference"] = json!(reference);
        }
        made.push(created(stage.post(PAYMENTS, &request).await).await);
    }
    let id = |at: usize| made[at]["id"].as_str().unwrap().to_owned();
    let time = |at: usize| made[at]["created_at"].as_str().unwrap();
    let one = |at: usize| vec![id(at)];
    for (query, expected) in [
        (vec![("amount", "300")], vec![id(3), id(2)]),
        (vec![("amount[gte]", "200")], vec![id(3), id(2), id(1)]),
        (vec![("amount[gte]", "101"), ("amount[lte]", "299")], one(1)),
        (vec![("reference", reference.as_str())], one(1)),
        (vec![("reference", "order of nobody")], vec![]),
        (vec![("metadata[shop]", "north")], vec![id(2), id(1)]),
        (
            vec![("metadata[shop]", "north"), ("metadata[till]", "2")],
            one(2),
        ),
        (vec![("metadata[shop]", "north"), ("amount", "200")], one(1)),
        (vec![("metadata[shop]", "nor")], vec![]),
        (vec![("created[gte]", time(2))], vec![id(3), id(2)]),
        (vec![("created[lt]", time(2))], vec![id(1), id(0)]),
        (
            vec![("created[gte]", time(1)), ("created[lt]", time(2))],
            one(1),
        ),
        (vec![("created[gte]", "9999-12-31T23:59:59Z")], vec![]),
        (vec![("created[lt]", "0000-01-01T00:00:00Z")], vec![]),
        (vec![("status", "local_created"), ("amount", "100")], one(0)),
        (
            vec![("metadata[shop]", "north"), ("starting_after", &id(2))],
            one(1),
        ),
        (
            vec![("metadata[shop]", "north"), ("ending_before", &id(1))],
            one(2),
        ),
    ] {
        assert_eq!(found(&stage, &query).await, expected, "{query:?}");
    }
    // The filters are no way around the account.
    let stranger = stage
        .get_as(
            &stage.stranger(),
            &format!("{PAYMENTS}?metadata[shop]=north"),
        )
        .await;
    assert_eq!(ids(&body(stranger, StatusCode::OK).await).len(), 0);
}

#[tokio::test]
async fn a_query_with_a_nul_is_refused_and_asks_nobody() {
    let stage = Stage::start().await;
    for query in [
        "reference=%00",
        "metadata[a]=%00",
        "metadata[%00]=a",
        "status=%00",
    ] {
        let answer = stage.get(&format!("{PAYMENTS}?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_payment_whose_row_cannot_be_decoded_is_left_out_and_pages_still_meet() {
    let stage = Stage::start().await;
    let mut made = Vec::new();
    for _ in 0..6 {
        made.push(stage.payment().await["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    // The two newest, and one in the middle.
    for at in [0, 1, 3] {
        let id: infra::id::Id<contracts::id::Payment> = made[at].parse().unwrap();
        sqlx::query("update payment set last_error = '7' where id = $1")
            .bind(id.uuid())
            .execute(stage.database.pool())
            .await
            .unwrap();
    }
    let whole = [made[2].clone(), made[4].clone(), made[5].clone()];
    let page = async |query: String| {
        body(
            stage.get(&format!("{PAYMENTS}{query}")).await,
            StatusCode::OK,
        )
        .await
    };
    let all = page(String::new()).await;
    assert_eq!(
        (ids(&all), all["has_more"].as_bool()),
        (whole.to_vec(), Some(false))
    );
    let first = page("?limit=2".into()).await;
    assert_eq!(
        (ids(&first), first["has_more"].as_bool()),
        (whole[..2].to_vec(), Some(true))
    );
    let next = page(format!("?limit=2&starting_after={}", whole[1])).await;
    assert_eq!(
        (ids(&next), next["has_more"].as_bool()),
        (whole[2..].to_vec(), Some(false))
    );
    let back = page(format!("?limit=2&ending_before={}", whole[2])).await;
    assert_eq!(
        (ids(&back), back["has_more"].as_bool()),
        (whole[..2].to_vec(), Some(false))
    );
}

/// A read with the entity tag of the last answer is answered 304 without a body, and with another tag whole.
pub(crate) async fn not_sent_again(stage: &Stage, path: &str) {
    let whole = stage.get(path).await;
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    let ask = async |tag: &str| {
        let request = stage
            .request(Method::GET, path)
            .header("if-none-match", tag);
        request.send().await.unwrap()
    };
    let known = ask(&tag).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(known.headers()["etag"], tag);
    assert!(known.bytes().await.unwrap().is_empty());
    let other = ask("\"0\"").await;
    assert_eq!(
        body(other, StatusCode::OK).await,
        body(whole, StatusCode::OK).await
    );
}
