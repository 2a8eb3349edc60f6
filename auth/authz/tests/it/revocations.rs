//! What ends a token before it expires, and the role as it is at this moment.

use std::time::{Duration, Instant};

use authz::{Caller, Error, Role, Verifier, membership};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Issuer, Stage, claims, config, key_set};

/// The account and the person of [`claims`].
const ACCOUNT: Uuid = Uuid::from_u128(2);
const USER: Uuid = Uuid::from_u128(1);

async fn with_member(issuer: &Issuer) -> Stage {
    let stage = Stage::trusting(&[issuer]).await;
    let pool = stage.database.pool();
    sqlx::query("insert into account (id, name) values ($1, 'Mugs')")
        .bind(ACCOUNT)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into app_user (id, email, password_hash) values ($1, 'a@example.org', 'none')",
    )
    .bind(USER)
    .execute(pool)
    .await
    .unwrap();
    let mut connection = pool.acquire().await.unwrap();
    membership::assign(&mut connection, ACCOUNT, USER, Role::Operator)
        .await
        .unwrap();
    stage
}

/// A token of the generation that the membership has now.
async fn token(stage: &Stage, issuer: &Issuer) -> String {
    let member = membership::find(stage.database.pool(), ACCOUNT, USER)
        .await
        .unwrap()
        .unwrap();
    issuer.sign(&issuer.header(), &of_generation(member.generation))
}

fn of_generation(generation: i64) -> Value {
    let mut claims = claims();
    claims["gen"] = json!(generation);
    claims
}

/// Asks until the token is refused, for 5 s at most.
async fn until_refused(stage: &Stage, token: &str) {
    let revoked = Instant::now();
    while stage.ask_bearing(token).await.status() != StatusCode::UNAUTHORIZED {
        assert!(
            revoked.elapsed() < Duration::from_secs(5),
            "it is still believed"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn each_change_ends_earlier_tokens_and_a_later_one_works_at_once() {
    let issuer = Issuer::new("one");
    let stage = with_member(&issuer).await;
    let mut last = token(&stage, &issuer).await;
    let mut connection = stage.database.pool().acquire().await.unwrap();
    // The same role again ends nothing: the token below would be refused within the wait of the next change.
    membership::change(&mut connection, ACCOUNT, USER, Role::Operator)
        .await
        .unwrap();
    assert_eq!(last_generation(&stage).await, None);
    for change in 0..3 {
        assert_eq!(stage.ask_bearing(&last).await.status(), StatusCode::OK);
        match change {
            0 => membership::change(&mut connection, ACCOUNT, USER, Role::Viewer)
                .await
                .unwrap(),
            1 => membership::renew(&mut connection, USER).await.unwrap(),
            _ => {
                membership::remove(&mut connection, ACCOUNT, USER)
                    .await
                    .unwrap();
                membership::assign(&mut connection, ACCOUNT, USER, Role::User)
                    .await
                    .unwrap();
            }
        }
        let next = token(&stage, &issuer).await;
        assert_eq!(stage.ask_bearing(&next).await.status(), StatusCode::OK);
        until_refused(&stage, &last).await;
        assert_eq!(stage.ask_bearing(&next).await.status(), StatusCode::OK);
        last = next;
    }
    // A token that names no generation is older than any.
    assert_eq!(
        stage.ask_bearing(&issuer.token()).await.status(),
        StatusCode::UNAUTHORIZED
    );
}

async fn last_generation(stage: &Stage) -> Option<i64> {
    sqlx::query_scalar("select max(generation) from revocation")
        .fetch_one(stage.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn of_other_people_and_accounts_nothing_ends() {
    let issuer = Issuer::new("one");
    let stage = with_member(&issuer).await;
    let mut others = Vec::new();
    for field in ["sub", "account"] {
        let mut claims = of_generation(0);
        let prefix = claims[field]
            .as_str()
            .unwrap()
            .split_once('_')
            .unwrap()
            .0
            .to_owned();
        claims[field] = json!(format!("{prefix}_01h2xcejqtf2nbrexx3vqjhp41"));
        others.push(issuer.sign(&issuer.header(), &claims));
    }
    let token = token(&stage, &issuer).await;
    let mut connection = stage.database.pool().acquire().await.unwrap();
    membership::remove(&mut connection, ACCOUNT, USER)
        .await
        .unwrap();
    until_refused(&stage, &token).await;
    for other in others {
        assert_eq!(stage.ask_bearing(&other).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn while_postgres_is_away_tokens_that_verify_go_on() {
    let issuer = Issuer::new("one");
    let stage = Stage::with(|_| {
        let nowhere = infra::postgres::pool("postgres://pawl@127.0.0.1:1/pawl", 1).unwrap();
        Verifier::with_keys(&key_set(&[&issuer]), &config("http://127.0.0.1:1"), nowhere)
    })
    .await;
    assert_eq!(
        stage.ask_bearing(&issuer.token()).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_current_role_is_what_the_database_says_now() {
    let issuer = Issuer::new("one");
    let stage = with_member(&issuer).await;
    let pool = stage.database.pool();
    let verifier = Verifier::with_keys(
        &key_set(&[&issuer]),
        &config("http://127.0.0.1:1"),
        pool.clone(),
    );
    let caller = Caller {
        account: ACCOUNT,
        user: Some(USER),
        role: Role::Admin,
        staff: None,
        key: None,
        per_minute: None,
    };
    assert_eq!(verifier.current_role(&caller).await, Ok(Role::Operator));
    let mut connection = pool.acquire().await.unwrap();
    membership::change(&mut connection, ACCOUNT, USER, Role::Viewer)
        .await
        .unwrap();
    assert_eq!(verifier.current_role(&caller).await, Ok(Role::Viewer));
    membership::remove(&mut connection, ACCOUNT, USER)
        .await
        .unwrap();
    assert_eq!(
        verifier.current_role(&caller).await,
        Err(Error::Unauthenticated)
    );
    let nowhere = infra::postgres::pool("postgres://pawl@127.0.0.1:1/pawl", 1).unwrap();
    let verifier =
        Verifier::with_keys(&key_set(&[&issuer]), &config("http://127.0.0.1:1"), nowhere);
    assert_eq!(
        verifier.current_role(&caller).await,
        Err(Error::Unavailable)
    );
}
