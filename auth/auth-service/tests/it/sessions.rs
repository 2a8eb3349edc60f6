//! Refresh, logout, and what a changed password ends.

use authz::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{Stage, problem, text};

async fn refused(stage: &Stage, token: &str) -> Value {
    let response = stage.refresh(token).await;
    let mut body = problem(response, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    body["request_id"] = Value::Null;
    body
}

#[tokio::test]
async fn a_refresh_replaces_both_tokens_and_reads_the_role_anew() {
    let stage = Stage::start().await;
    let admin = stage.admin("ada@example.org").await;
    let bob = stage
        .person(admin.account, "bob@example.org", Role::User)
        .await;
    let body = stage.tokens(stage.refresh(&bob.refresh_token).await).await;
    assert_eq!(body["expires_in"], 900);
    let left = body["refresh_expires_in"].as_i64().unwrap();
    assert!((2_591_000..=2_592_000).contains(&left), "{left}");
    assert_ne!(text(&body, "refresh_token"), bob.refresh_token);
    let token = text(&body, "token");
    let refusal = stage.ask(&token, Method::GET, "members", None).await;
    problem(refusal, StatusCode::FORBIDDEN, "forbidden").await;

    let bob_as_admin = Some(json!({"role": "admin"}));
    let path = format!("members/{}", authz::id::UserId::from(bob.user));
    let changed = stage
        .ask(&admin.token, Method::PATCH, &path, bob_as_admin)
        .await;
    assert_eq!(changed.status(), StatusCode::OK);
    let body = stage
        .tokens(stage.refresh(&text(&body, "refresh_token")).await)
        .await;
    // At once, although tokens of the old role are being revoked.
    let list = stage
        .ask(&text(&body, "token"), Method::GET, "members", None)
        .await;
    assert_eq!(list.status(), StatusCode::OK);
    stage.until(&token, StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn a_refresh_token_that_was_used_ends_its_session_and_no_other() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let other = stage
        .tokens(stage.login("ada@example.org", "correct horse").await)
        .await;
    let next = stage.tokens(stage.refresh(&ada.refresh_token).await).await;
    let reused = refused(&stage, &ada.refresh_token).await;
    let ended = refused(&stage, &text(&next, "refresh_token")).await;
    let unknown = refused(&stage, "pawl_rt_nobody").await;
    assert_eq!(reused, ended);
    assert_eq!(reused, unknown);
    stage
        .tokens(stage.refresh(&text(&other, "refresh_token")).await)
        .await;
    let because: Vec<Option<String>> =
        sqlx::query_scalar("select revoked_because from session order by id")
            .fetch_all(stage.database.pool())
            .await
            .unwrap();
    assert_eq!(because, [Some("token_reused".to_owned()), None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_refreshes_at_once_one_wins_and_the_session_ends() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let answers =
        futures::future::join_all((0..10).map(|_| stage.refresh(&ada.refresh_token))).await;
    let mut won = Vec::new();
    for answer in answers {
        if answer.status() == StatusCode::OK {
            won.push(text(&answer.json().await.unwrap(), "refresh_token"));
        } else {
            problem(answer, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        }
    }
    assert_eq!(won.len(), 1);
    refused(&stage, &won[0]).await;
}

#[tokio::test]
async fn an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    refused(&stage, &ada.token).await;
    refused(&stage, "").await;
    refused(&stage, "pawl_rt_\u{0}").await;
    let refusal = stage
        .ask(&ada.refresh_token, Method::GET, "account", None)
        .await;
    problem(refusal, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    stage.tokens(stage.refresh(&ada.refresh_token).await).await;
}

#[tokio::test]
async fn a_logout_ends_the_session_once_and_tells_nothing() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let next = stage.tokens(stage.refresh(&ada.refresh_token).await).await;
    // Also with a token that was used before; that is no theft.
    for token in [&ada.refresh_token, &text(&next, "refresh_token")] {
        let response = stage.post("logout", &json!({"refresh_token": token})).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
    let unknown = stage
        .post("logout", &json!({"refresh_token": "pawl_rt_nobody"}))
        .await;
    assert_eq!(unknown.status(), StatusCode::NO_CONTENT);
    assert_eq!(unknown.text().await.unwrap(), "");
    refused(&stage, &text(&next, "refresh_token")).await;
    let logouts: i64 = sqlx::query_scalar("select count(*) from audit where action = 'logout'")
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
    assert_eq!(logouts, 1);
}

#[tokio::test]
async fn a_session_that_expired_is_refused() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    sqlx::query("update session set expires_at = now()")
        .execute(stage.database.pool())
        .await
        .unwrap();
    refused(&stage, &ada.refresh_token).await;
}

#[tokio::test]
async fn another_password_ends_all_sessions_and_earlier_access_tokens() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let body = json!({"current_password": "wrong horse", "new_password": "battery staple"});
    let refusal = stage
        .ask(&ada.token, Method::POST, "password", Some(body))
        .await;
    problem(refusal, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    for (current, new, param) in [
        ("correct horse", "short", "new_password"),
        (&"x".repeat(257), "battery staple", "current_password"),
    ] {
        let body = json!({"current_password": current, "new_password": new});
        let refusal = stage
            .ask(&ada.token, Method::POST, "password", Some(body))
            .await;
        let body = problem(refusal, StatusCode::UNPROCESSABLE_ENTITY, "invalid_field").await;
        assert_eq!(body["param"], param);
    }
    stage.until(&ada.token, StatusCode::OK).await;

    let body = json!({"current_password": "correct horse", "new_password": "battery staple"});
    let answer = stage
        .ask(&ada.token, Method::POST, "password", Some(body))
        .await;
    let fresh = stage.tokens(answer).await;
    stage.until(&text(&fresh, "token"), StatusCode::OK).await;
    stage.until(&ada.token, StatusCode::UNAUTHORIZED).await;
    stage.until(&text(&fresh, "token"), StatusCode::OK).await;
    refused(&stage, &ada.refresh_token).await;
    let old = stage.login("ada@example.org", "correct horse").await;
    assert_eq!(old.status(), StatusCode::UNAUTHORIZED);
    stage
        .tokens(stage.login("ada@example.org", "battery staple").await)
        .await;
    stage
        .tokens(stage.refresh(&text(&fresh, "refresh_token")).await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_of_a_password_at_once_one_is_done() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let change = |new: &'static str| {
        let body = json!({"current_password": "correct horse", "new_password": new});
        stage.ask(&ada.token, Method::POST, "password", Some(body))
    };
    let (one, other) = tokio::join!(change("battery staple"), change("staple battery"));
    let mut seen = [one.status(), other.status()];
    seen.sort();
    assert_eq!(seen, [StatusCode::OK, StatusCode::UNAUTHORIZED]);
    let open: i64 = sqlx::query_scalar("select count(*) from session where revoked_at is null")
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
    assert_eq!(open, 1);
}

#[tokio::test]
async fn a_session_is_opened_for_the_account_that_is_asked_for() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let bob = stage.admin("bob@example.org").await;
    let body = Some(json!({"email": "bob@example.org", "role": "viewer"}));
    let added = stage.ask(&ada.token, Method::POST, "members", body).await;
    assert_eq!(added.status(), StatusCode::CREATED);
    for (account, name) in [
        (ada.account, "ada@example.org"),
        (bob.account, "bob@example.org"),
    ] {
        let id = infra::id::AccountId::from(account);
        let body =
            json!({"email": "bob@example.org", "password": "correct horse", "account_id": id});
        let tokens = stage.tokens(stage.post("login", &body).await).await;
        let seen = stage
            .ask(&text(&tokens, "token"), Method::GET, "account", None)
            .await;
        let seen: Value = seen.json().await.unwrap();
        assert_eq!((&seen["id"], &seen["name"]), (&json!(id), &json!(name)));
    }
    let id = infra::id::AccountId::from(bob.account);
    let body = json!({"email": "ada@example.org", "password": "correct horse", "account_id": id});
    let refusal = stage.post("login", &body).await;
    problem(refusal, StatusCode::UNAUTHORIZED, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_beside_a_change_of_the_password_leaves_no_session_of_the_old_one() {
    let stage = Stage::start().await;
    for round in 0..5 {
        let email = format!("ada-{round}@example.org");
        let ada = stage.admin(&email).await;
        let body = json!({"current_password": "correct horse", "new_password": "battery staple"});
        let change = stage.ask(&ada.token, Method::POST, "password", Some(body));
        let (login, change) = tokio::join!(stage.login(&email, "correct horse"), change);
        stage.tokens(change).await;
        if login.status() == StatusCode::OK {
            let tokens = stage.tokens(login).await;
            refused(&stage, &text(&tokens, "refresh_token")).await;
            stage
                .until(&text(&tokens, "token"), StatusCode::UNAUTHORIZED)
                .await;
        }
    }
}
