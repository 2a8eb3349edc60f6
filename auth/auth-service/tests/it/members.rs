//! Accounts, members and keys, managed by admins.

use authz::Role;
use authz::id::UserId;
use infra::id::AccountId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{API_KEY, Stage, problem, text};

fn member(user: uuid::Uuid) -> String {
    format!("members/{}", UserId::from(user))
}

/// Every route that is for admins: method, path, and a body that it takes.
fn routes(user: &str, key: &str) -> Vec<(Method, String, Option<Value>)> {
    vec![
        (
            Method::POST,
            "api_keys".into(),
            Some(json!({"name": "back end"})),
        ),
        (Method::GET, "api_keys".into(), None),
        (Method::DELETE, format!("api_keys/{key}"), None),
        (Method::GET, "members".into(), None),
        (
            Method::POST,
            "members".into(),
            Some(json!({"email": "bob@example.org", "role": "user"})),
        ),
        (
            Method::PATCH,
            format!("members/{user}"),
            Some(json!({"role": "user"})),
        ),
        (Method::DELETE, format!("members/{user}"), None),
        (
            Method::PATCH,
            "account".into(),
            Some(json!({"name": "Mugs"})),
        ),
        (Method::GET, "audit".into(), None),
    ]
}

#[tokio::test]
async fn what_is_for_admins_is_refused_to_everybody_else() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let user = UserId::from(ada.user).to_string();
    let key = "key_01h2xcejqtf2nbrexx3vqjhp41";
    for (index, role) in [Role::User, Role::Viewer, Role::Operator]
        .into_iter()
        .enumerate()
    {
        let email = format!("somebody-{index}@example.org");
        let somebody = stage.person(ada.account, &email, role).await;
        for (method, path, body) in routes(&user, key) {
            let refusal = stage.ask(&somebody.token, method, &path, body).await;
            problem(refusal, StatusCode::FORBIDDEN, "forbidden").await;
        }
        stage.until(&somebody.token, StatusCode::OK).await;
    }
    for (method, path, body) in routes(&user, key) {
        let request = stage
            .http
            .request(method, stage.url(&format!("/api/v1/auth/{path}")))
            .header("x-api-key", API_KEY)
            .json(&body);
        let refusal = request.send().await.unwrap();
        problem(refusal, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    }
    stage.until(&ada.token, StatusCode::OK).await;
}

#[tokio::test]
async fn what_belongs_to_another_account_is_unknown() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let eve = stage.admin("eve@example.org").await;
    let body = Some(json!({"name": "back end"}));
    let made = stage.ask(&ada.token, Method::POST, "api_keys", body).await;
    let key = text(&made.json().await.unwrap(), "id");
    let user = UserId::from(ada.user).to_string();
    for (theirs, nobodys) in [
        (
            format!("api_keys/{key}"),
            "api_keys/key_01h2xcejqtf2nbrexx3vqjhp41",
        ),
        (
            format!("members/{user}"),
            "members/usr_01h2xcejqtf2nbrexx3vqjhp41",
        ),
    ] {
        let mut bodies = Vec::new();
        for path in [theirs.as_str(), nobodys, "members/nonsense"] {
            let refusal = stage.ask(&eve.token, Method::DELETE, path, None).await;
            let mut body = problem(refusal, StatusCode::NOT_FOUND, "not_found").await;
            body["request_id"] = Value::Null;
            bodies.push(body);
        }
        assert!(
            bodies.windows(2).all(|pair| pair[0] == pair[1]),
            "{bodies:?}"
        );
    }
    let refusal = stage
        .ask(
            &eve.token,
            Method::PATCH,
            &member(ada.user),
            Some(json!({"role": "user"})),
        )
        .await;
    problem(refusal, StatusCode::NOT_FOUND, "not_found").await;
    for list in ["api_keys", "audit"] {
        let path = format!("{list}?limit=100");
        let seen = stage
            .ask(&eve.token, Method::GET, &path, None)
            .await
            .text()
            .await
            .unwrap();
        assert!(!seen.contains(&key) && !seen.contains(&user), "{seen}");
    }
    stage.until(&ada.token, StatusCode::OK).await;
}

#[tokio::test]
async fn a_key_is_told_once_opens_the_service_and_is_revoked() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let body = Some(json!({"name": " back end ", "rate_limit_per_minute": 60}));
    let made = stage.ask(&ada.token, Method::POST, "api_keys", body).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(made.headers()["cache-control"], "no-store");
    let made: Value = made.json().await.unwrap();
    let key = text(&made, "key");
    assert_eq!(
        (&made["name"], &made["rate_limit_per_minute"]),
        (&json!("back end"), &json!(60))
    );
    assert!(key.starts_with(made["prefix"].as_str().unwrap()));

    let list = stage.ask(&ada.token, Method::GET, "api_keys", None).await;
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["data"][0]["id"], made["id"]);
    assert!(list["data"][0].get("key").is_none(), "{list}");
    let opens = async || {
        let request = stage.http.post(stage.url("/api/v1/auth/logout"));
        let request = request
            .header("x-api-key", &key)
            .json(&json!({"refresh_token": ""}));
        request.send().await.unwrap().status() == StatusCode::NO_CONTENT
    };
    assert!(opens().await);
    let path = format!("api_keys/{}", text(&made, "id"));
    let mut revoked_at = Vec::new();
    for _ in 0..2 {
        let revoked = stage.ask(&ada.token, Method::DELETE, &path, None).await;
        assert_eq!(revoked.status(), StatusCode::OK);
        revoked_at.push(text(&revoked.json().await.unwrap(), "revoked_at"));
    }
    assert_eq!(revoked_at[0], revoked_at[1]);
    let started = std::time::Instant::now();
    while opens().await {
        assert!(started.elapsed().as_secs() < 6, "a revoked key is accepted");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn lists_are_walked_in_both_directions() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let body = Some(json!({"name": format!("key {number}")}));
        let made = stage.ask(&ada.token, Method::POST, "api_keys", body).await;
        ids.insert(0, text(&made.json().await.unwrap(), "id"));
    }
    let page = async |query: &str| {
        let path = format!("api_keys?{query}");
        let list = stage.ask(&ada.token, Method::GET, &path, None).await;
        let list: Value = list.json().await.unwrap();
        assert_eq!(list["object"], "list");
        let data = list["data"].as_array().unwrap();
        let ids: Vec<_> = data.iter().map(|key| text(key, "id")).collect();
        (ids, list["has_more"].as_bool().unwrap())
    };
    assert_eq!(page("").await, (ids.clone(), false));
    assert_eq!(page("limit=2").await, (ids[..2].to_vec(), true));
    let after = format!("limit=2&starting_after={}", ids[1]);
    assert_eq!(page(&after).await, (ids[2..4].to_vec(), true));
    let after = format!("limit=2&starting_after={}", ids[3]);
    assert_eq!(page(&after).await, (ids[4..].to_vec(), false));
    let before = format!("limit=2&ending_before={}", ids[4]);
    assert_eq!(page(&before).await, (ids[2..4].to_vec(), true));
    let before = format!("limit=2&ending_before={}", ids[1]);
    assert_eq!(page(&before).await, (ids[..1].to_vec(), false));
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=1&limit=1", "limit"),
        (
            "starting_after=usr_01h2xcejqtf2nbrexx3vqjhp41",
            "starting_after",
        ),
        ("page=2", "page"),
    ] {
        let path = format!("api_keys?{query}");
        let refusal = stage.ask(&ada.token, Method::GET, &path, None).await;
        let body = problem(refusal, StatusCode::BAD_REQUEST, "invalid_parameter").await;
        assert_eq!(body["param"], param, "{query}");
    }
}

#[tokio::test]
async fn members_are_added_changed_and_removed() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let bob = stage.admin("bob@example.org").await;
    let add = |email: &str, role: &str| {
        let body = Some(json!({"email": email, "role": role}));
        stage.ask(&ada.token, Method::POST, "members", body)
    };
    problem(
        add("nobody@example.org", "user").await,
        StatusCode::NOT_FOUND,
        "not_found",
    )
    .await;
    problem(
        add("bob@example.org", "king").await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_field",
    )
    .await;
    assert_eq!(
        add("Bob@example.org", "viewer").await.status(),
        StatusCode::CREATED
    );
    let again = add("bob@example.org", "operator").await;
    assert_eq!(again.status(), StatusCode::OK);
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["role"], "operator");
    assert_eq!(again["email"], "bob@example.org");

    let id = AccountId::from(ada.account);
    let login = json!({"email": "bob@example.org", "password": "correct horse", "account_id": id});
    let tokens = stage.tokens(stage.post("login", &login).await).await;
    let token = text(&tokens, "token");
    let list = stage.ask(&ada.token, Method::GET, "members", None).await;
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 2, "{list}");

    let path = member(bob.user);
    let removed = stage.ask(&ada.token, Method::DELETE, &path, None).await;
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    let again = stage.ask(&ada.token, Method::DELETE, &path, None).await;
    problem(again, StatusCode::NOT_FOUND, "not_found").await;
    stage.until(&token, StatusCode::UNAUTHORIZED).await;
    let refusal = stage.refresh(&text(&tokens, "refresh_token")).await;
    problem(refusal, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    let refusal = stage.post("login", &login).await;
    problem(refusal, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    // In his own account nothing changed.
    stage.until(&bob.token, StatusCode::OK).await;
}

#[tokio::test]
async fn an_account_is_renamed() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    for name in ["", "   ", "a\u{0}b", &"x".repeat(201)] {
        let body = Some(json!({"name": name}));
        let refusal = stage.ask(&ada.token, Method::PATCH, "account", body).await;
        let body = problem(refusal, StatusCode::UNPROCESSABLE_ENTITY, "invalid_field").await;
        assert_eq!(body["param"], "name");
    }
    let body = Some(json!({"name": " Mugs & Söhne "}));
    let renamed = stage.ask(&ada.token, Method::PATCH, "account", body).await;
    let renamed: Value = renamed.json().await.unwrap();
    let seen = stage.ask(&ada.token, Method::GET, "account", None).await;
    assert_eq!(seen.json::<Value>().await.unwrap(), renamed);
    assert_eq!(renamed["name"], "Mugs & Söhne");
}

#[tokio::test]
async fn the_last_admin_stays_one() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let bob = stage
        .person(ada.account, "bob@example.org", Role::Operator)
        .await;
    let path = member(ada.user);
    let demote = Some(json!({"role": "operator"}));
    let refusal = stage.ask(&ada.token, Method::PATCH, &path, demote).await;
    problem(refusal, StatusCode::CONFLICT, "last_admin").await;
    let refusal = stage.ask(&ada.token, Method::DELETE, &path, None).await;
    problem(refusal, StatusCode::CONFLICT, "last_admin").await;
    let add = Some(json!({"email": "ada@example.org", "role": "user"}));
    let refusal = stage.ask(&ada.token, Method::POST, "members", add).await;
    problem(refusal, StatusCode::CONFLICT, "last_admin").await;
    let promote = Some(json!({"role": "admin"}));
    let path = member(bob.user);
    let promoted = stage.ask(&ada.token, Method::PATCH, &path, promote).await;
    assert_eq!(promoted.status(), StatusCode::OK);
    let removed = stage
        .ask(&ada.token, Method::DELETE, &member(ada.user), None)
        .await;
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_who_dismiss_each_other_at_once_leave_one() {
    let stage = Stage::start().await;
    for round in 0..8 {
        let ada = stage.admin(&format!("ada-{round}@example.org")).await;
        let email = format!("bob-{round}@example.org");
        let bob = stage.person(ada.account, &email, Role::Admin).await;
        let demote = || Some(json!({"role": "user"}));
        let (ada_path, bob_path) = (member(ada.user), member(bob.user));
        let (one, other) = tokio::join!(
            stage.ask(&ada.token, Method::PATCH, &bob_path, demote()),
            stage.ask(&bob.token, Method::DELETE, &ada_path, None),
        );
        let admins: i64 = sqlx::query_scalar(
            "select count(*) from membership where account_id = $1 and role = 'admin'",
        )
        .bind(ada.account)
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
        let seen = (one.status(), other.status());
        assert_eq!(admins, 1, "{seen:?}");
        assert!(seen.0.is_success() != seen.1.is_success(), "{seen:?}");
    }
}
