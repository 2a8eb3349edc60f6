//! `POST /api/v1/auth/login`, and what other services make of its tokens.

use authz::id::UserId;
use authz::{Role, Verifier};
use axum::http::{HeaderMap, HeaderValue};
use infra::id::AccountId;
use infra::testing::TestDatabase;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{MIGRATIONS, Settings, Stage, problem, secret, tokens};

#[tokio::test]
async fn a_login_gives_a_token_that_other_services_believe() {
    let stage = Stage::start().await;
    let registered: Value = stage
        .register("ada@example.org", "correct horse")
        .await
        .json()
        .await
        .unwrap();
    let response = stage.login(" Ada@example.org", "correct horse").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["expires_in"], 900);

    let verifier = Verifier::new(&tokens(&stage.base), stage.database.pool().clone()).unwrap();
    let bearer = format!("Bearer {}", body["token"].as_str().unwrap());
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
    let caller = verifier.caller(&headers).await.unwrap();
    let user: UserId = registered["id"].as_str().unwrap().parse().unwrap();
    let account: AccountId = registered["account_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(caller.user, Some(user.uuid()));
    assert_eq!(caller.account, account.uuid());
    assert_eq!(caller.role, Role::User);
    assert_eq!(caller.key, None);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let stage = Stage::start().await;
    stage.register("ada@example.org", "correct horse").await;
    let mut answers = Vec::new();
    for (email, password) in [
        ("ada@example.org", "wrong horse"),
        ("ada@example.org", "short"),
        ("nobody@example.org", "correct horse"),
        ("not an address", "correct horse"),
        ("", ""),
    ] {
        let response = stage.login(email, password).await;
        let challenge = response.headers()["www-authenticate"].clone();
        let mut body = problem(response, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        body["request_id"] = Value::Null;
        answers.push((challenge, body));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_password_is_compared_as_it_is() {
    let stage = Stage::start().await;
    let password = "pässwörd \u{0} 🐴 ";
    assert_eq!(
        stage.register("ada@example.org", password).await.status(),
        StatusCode::CREATED
    );
    assert_eq!(
        stage.login("ada@example.org", password).await.status(),
        StatusCode::OK
    );
    for other in [
        "pässwörd \u{0} 🐴",
        "pässwörd ",
        "pässwörd \u{0} 🐎 ",
        "passwörd \u{0} 🐴 ",
    ] {
        let status = stage.login("ada@example.org", other).await.status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{other:?}");
    }
    // 256 characters, 1024 bytes: all of them count.
    let long = "🐴".repeat(256);
    assert_eq!(
        stage.register("bob@example.org", &long).await.status(),
        StatusCode::CREATED
    );
    let cut = format!("{}x", "🐴".repeat(255));
    assert_eq!(
        stage.login("bob@example.org", &cut).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        stage.login("bob@example.org", &long).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_login_with_a_fault_names_the_field() {
    let stage = Stage::start().await;
    let body = json!({"email": "ada@example.org", "password": "x".repeat(257)});
    let refusal = problem(
        stage.post("login", &body).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_field",
    )
    .await;
    assert_eq!(refusal["param"], "password");
    let body = json!({"email": ["ada@example.org"], "password": "correct horse"});
    let refusal = problem(
        stage.post("login", &body).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_type",
    )
    .await;
    assert_eq!(refusal["param"], "email");
}

#[tokio::test]
async fn a_password_hashed_with_older_parameters_is_hashed_again() {
    let stage = Stage::start().await;
    let account = auth_service::demo::account(stage.database.pool(), "Old shop")
        .await
        .unwrap();
    let password = secret("correct horse");
    auth_service::demo::user(
        stage.database.pool(),
        account,
        "ada@example.org",
        &password,
        Role::User,
    )
    .await
    .unwrap();
    // The same password at m=8192, t=1, p=1.
    let old = older_hash(b"correct horse");
    set_hash(&stage, &old).await;
    assert_eq!(
        stage.login("ada@example.org", "wrong horse").await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(hash(&stage).await, old);
    assert_eq!(
        stage
            .login("ada@example.org", "correct horse")
            .await
            .status(),
        StatusCode::OK
    );
    let fresh = hash(&stage).await;
    assert!(
        fresh.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{fresh}"
    );
    assert_eq!(
        stage
            .login("ada@example.org", "correct horse")
            .await
            .status(),
        StatusCode::OK
    );
    assert_eq!(hash(&stage).await, fresh);
}

fn older_hash(password: &[u8]) -> String {
    use argon2::password_hash::PasswordHasher;
    use argon2::{Algorithm, Argon2, Params, Version};
    let params = Params::new(8192, 1, 1, None).unwrap();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password(password).unwrap().to_string()
}

async fn hash(stage: &Stage) -> String {
    sqlx::query_scalar("select password_hash from app_user")
        .fetch_one(stage.database.pool())
        .await
        .unwrap()
}

async fn set_hash(stage: &Stage, hash: &str) {
    sqlx::query("update app_user set password_hash = $1")
        .bind(hash)
        .execute(stage.database.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_login_during_the_start_waits_for_the_signing_keys() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let pool = database.pool().clone();
    let account = auth_service::demo::account(&pool, "ada@example.org")
        .await
        .unwrap();
    let password = secret("correct horse");
    auth_service::demo::user(&pool, account, "ada@example.org", &password, Role::User)
        .await
        .unwrap();
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("lock table signing_key in access exclusive mode")
        .execute(&mut *lock)
        .await
        .unwrap();
    let url = database.url().to_owned();
    let stage = Stage::start_with(database, &url, Settings::new()).await;
    let (login, ()) = tokio::join!(stage.login("ada@example.org", "correct horse"), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        lock.rollback().await.unwrap();
    });
    stage.tokens(login).await;
}
