//! Seeding twice is seeding once.

use auth_service::demo;
use authz::Role;
use infra::env::ExposeSecret;
use infra::testing::TestDatabase;
use reqwest::StatusCode;
use sqlx::PgPool;

use crate::{MIGRATIONS, Stage, secret};

#[tokio::test]
async fn seeding_again_finds_what_is_there() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let pool = database.pool();
    let account = demo::account(pool, "Demo shop").await.unwrap();
    assert_eq!(demo::account(pool, "Demo shop").await.unwrap(), account);
    assert_ne!(demo::account(pool, "Another shop").await.unwrap(), account);

    let password = secret("correct horse");
    let user = demo::user(pool, account, "ada@example.org", &password, Role::Viewer)
        .await
        .unwrap();
    let again = demo::user(
        pool,
        account,
        "Ada@example.org",
        &secret("another password"),
        Role::Admin,
    )
    .await;
    assert_eq!(again.unwrap(), user);
    assert_eq!(role(pool).await, "admin");

    let key = demo::api_key(pool, Some(account), "back end")
        .await
        .unwrap();
    assert!(key.unwrap().expose_secret().len() > 40);
    assert!(
        demo::api_key(pool, Some(account), "back end")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        demo::api_key(pool, None, "back end")
            .await
            .unwrap()
            .is_some()
    );
    let known = secret("a key that is known already");
    for _ in 0..2 {
        demo::known_api_key(pool, Some(account), "known", &known)
            .await
            .unwrap();
    }
    let keys: i64 = sqlx::query_scalar("select count(*) from api_key")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(keys, 3);
}

#[tokio::test]
async fn many_seeds_at_once_make_one_account() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let accounts =
        futures::future::join_all((0..8).map(|_| demo::account(database.pool(), "Demo shop")))
            .await;
    let accounts: Vec<_> = accounts.into_iter().map(Result::unwrap).collect();
    assert!(
        accounts.windows(2).all(|pair| pair[0] == pair[1]),
        "{accounts:?}"
    );
}

#[tokio::test]
async fn a_seeded_user_can_log_in() {
    let stage = Stage::start().await;
    let pool = stage.database.pool();
    let account = demo::account(pool, "Demo shop").await.unwrap();
    let password = secret("correct horse");
    demo::user(pool, account, "ada@example.org", &password, Role::Operator)
        .await
        .unwrap();
    assert_eq!(
        stage
            .login("ada@example.org", "correct horse")
            .await
            .status(),
        StatusCode::OK
    );
    let short = demo::user(
        pool,
        account,
        "bob@example.org",
        &secret("short"),
        Role::User,
    )
    .await;
    assert!(
        matches!(short, Err(auth_service::Error::Invalid(_))),
        "{short:?}"
    );
}

async fn role(pool: &PgPool) -> String {
    sqlx::query_scalar("select role from membership")
        .fetch_one(pool)
        .await
        .unwrap()
}
