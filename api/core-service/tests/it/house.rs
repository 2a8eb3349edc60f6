//! Staff of the house: they see and act across accounts, and nobody else does.

use std::collections::BTreeMap;

use authz::{Role, StaffRole, staff};
use contracts::id::JobId;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{JOBS, Stage, problem};

/// A person with this role of the house, who is a mere user of the account.
async fn person(stage: &Stage, role: StaffRole) -> Uuid {
    let user = stage.members[Role::User as usize];
    let mut connection = stage.database.pool().acquire().await.unwrap();
    staff::grant(&mut connection, user, role).await.unwrap();
    user
}

/// A request with a token that names this role of the house, whatever the database says.
async fn ask(stage: &Stage, method: Method, path: &str, role: StaffRole) -> Response {
    let user = stage.members[Role::User as usize];
    // Of a generation that no revocation ends, so that the role in the database alone decides.
    let token = stage
        .signer
        .access_token_of(user, stage.account, Role::User, i64::MAX, Some(role))
        .unwrap();
    let request = stage
        .http
        .request(method, format!("{}{path}", stage.base))
        .bearer_auth(token);
    request.send().await.unwrap()
}

#[tokio::test]
async fn staff_see_and_act_across_accounts_and_the_account_reads_of_it() {
    let stage = Stage::start().await;
    let other = Uuid::now_v7();
    let job = JobId::from_uuid(stage.job_of(other, "dead").await);
    let user = person(&stage, StaffRole::Operator).await;
    let listed = ask(&stage, Method::GET, JOBS, StaffRole::Operator).await;
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed["data"][0]["id"], json!(job));
    let retry = format!("{JOBS}/{job}/retry");
    let retried = ask(&stage, Method::POST, &retry, StaffRole::Operator).await;
    assert_eq!(retried.status(), StatusCode::ACCEPTED);
    let acts: Vec<(String, Uuid)> =
        sqlx::query_as("select outcome, user_id from audit where account_id = $1 order by id")
            .bind(other)
            .fetch_all(stage.database.pool())
            .await
            .unwrap();
    let expected = ["requested", "done"].map(|outcome| (outcome.to_owned(), user));
    assert_eq!(acts, expected);
}

#[tokio::test]
async fn a_role_of_the_house_ends_at_the_moment_at_which_it_is_taken_away() {
    let stage = Stage::start().await;
    let job = JobId::from_uuid(stage.job_of(Uuid::now_v7(), "dead").await);
    let retry = format!("{JOBS}/{job}/retry");
    let user = person(&stage, StaffRole::Viewer).await;
    let seen = ask(&stage, Method::GET, JOBS, StaffRole::Operator).await;
    assert_eq!(seen.status(), StatusCode::OK);
    // The token claims more than the database knows.
    let refused = ask(&stage, Method::POST, &retry, StaffRole::Operator).await;
    problem(refused, StatusCode::FORBIDDEN, "forbidden").await;
    let mut connection = stage.database.pool().acquire().await.unwrap();
    staff::revoke(&mut connection, user).await.unwrap();
    for (method, path) in [(Method::GET, JOBS), (Method::POST, &retry)] {
        let refused = ask(&stage, method, path, StaffRole::Admin).await;
        problem(refused, StatusCode::FORBIDDEN, "forbidden").await;
    }
    assert_eq!(stage.state(job.uuid()).await, "dead");
}

#[tokio::test]
async fn who_is_admin_of_an_account_alone_sees_nothing_of_another() {
    let stage = Stage::start().await;
    let job = JobId::from_uuid(stage.job_of(Uuid::now_v7(), "dead").await);
    let list: Value = stage
        .ask(Method::GET, JOBS, Role::Admin)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["data"], json!([]));
    let path = format!("{JOBS}/{job}");
    let shown = stage.ask(Method::GET, &path, Role::Admin).await;
    problem(shown, StatusCode::NOT_FOUND, "not_found").await;
    for role in ["pawl_auth", "pawl_core", "pawl_gateway", "pawl_worker"] {
        let may: bool = sqlx::query_scalar(
            "select has_table_privilege($1, 'staff', 'insert') or has_table_privilege($1, 'staff', 'update')
                 or has_table_privilege($1, 'staff', 'delete')",
        )
        .bind(role)
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
        assert!(!may, "{role} can make somebody staff");
    }
}

#[tokio::test]
async fn each_route_that_writes_refuses_a_viewer() {
    let stage = Stage::start().await;
    person(&stage, StaffRole::Viewer).await;
    let document = serde_json::to_value(core_service::openapi()).unwrap();
    let mut refused = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let id = match path.split('/').nth(4) {
            Some("payments") => "pay_01h2xcejqtf2nbrexx3vqjhp41",
            Some("deliveries") => "del_01h2xcejqtf2nbrexx3vqjhp41",
            Some("jobs") => "job_01h2xcejqtf2nbrexx3vqjhp41",
            _ => "any",
        };
        for method in item.as_object().unwrap().keys().filter(|it| *it != "get") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let url = path
                .replace("{id}", id)
                .replace("{kind}", "resync")
                .replace("{event}", "evt_1");
            let viewer = stage.ask(method.clone(), &url, Role::Viewer).await;
            problem(viewer, StatusCode::FORBIDDEN, "forbidden").await;
            let house = ask(&stage, method.clone(), &url, StaffRole::Viewer).await;
            problem(house, StatusCode::FORBIDDEN, "forbidden").await;
            refused.insert(path, method);
        }
    }
    assert!(!refused.is_empty());
}

#[tokio::test]
async fn the_audit_is_for_admins_and_a_file_of_it_can_be_had() {
    let stage = Stage::start().await;
    let job = JobId::from_uuid(stage.job("dead").await);
    let retry = format!("{JOBS}/{job}/retry");
    let retried = stage.ask(Method::POST, &retry, Role::Operator).await;
    assert_eq!(retried.status(), StatusCode::ACCEPTED);
    let path = "/api/v1/ops/audit";
    let refused = stage.ask(Method::GET, path, Role::Operator).await;
    problem(refused, StatusCode::FORBIDDEN, "forbidden").await;
    let list: Value = stage
        .ask(Method::GET, path, Role::Admin)
        .await
        .json()
        .await
        .unwrap();
    let newest = &list["data"][0];
    assert_eq!(newest["outcome"], "done", "{list}");
    assert_eq!(newest["after"]["state"], "queued");
    assert_eq!(list["data"][1]["before"]["state"], "dead");
    let file = stage
        .ask(Method::GET, &format!("{path}?format=csv"), Role::Admin)
        .await;
    assert_eq!(file.headers()["content-type"], "text/csv; charset=utf-8");
    let text = file.text().await.unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains(&job.to_string()), "{text}");
}

#[tokio::test]
async fn a_queue_is_paused_by_staff_alone() {
    let stage = Stage::start().await;
    let path = "/api/v1/ops/queues/resync/pause";
    let admin = stage.ask(Method::POST, path, Role::Admin).await;
    problem(admin, StatusCode::FORBIDDEN, "forbidden").await;
    let user = person(&stage, StaffRole::Operator).await;
    let paused = ask(&stage, Method::POST, path, StaffRole::Operator).await;
    let queues: Value = paused.json().await.unwrap();
    let queues = queues["data"].as_array().unwrap().clone();
    let queue = queues.iter().find(|it| it["kind"] == "resync").unwrap();
    assert_eq!(queue["paused"], json!(true), "{queues:?}");
    let by = authz::id::UserId::from(user).to_string();
    assert_eq!(queue["paused_by"], json!(by));
    let unknown = "/api/v1/ops/queues/sleep/pause";
    let unknown = ask(&stage, Method::POST, unknown, StaffRole::Operator).await;
    problem(unknown, StatusCode::NOT_FOUND, "not_found").await;
}

#[tokio::test]
async fn many_jobs_are_retried_portion_by_portion_after_a_look_at_them() {
    let stage = Stage::start().await;
    for _ in 0..3 {
        stage.job("dead").await;
    }
    let foreign = stage.job_of(Uuid::now_v7(), "dead").await;
    let bulk = async |body: Value| {
        let path = format!("{JOBS}/bulk");
        let request = stage
            .request(Method::POST, &path, Role::Operator)
            .json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.unwrap()
    };
    let body = json!({ "action": "retry", "error": "REFUSED", "reason": "Stripe is back", "dry_run": true });
    let seen = bulk(body.clone()).await;
    assert_eq!((&seen["matching"], &seen["acted"]), (&json!(3), &json!(0)));
    assert_eq!(stage.acts().await, []);
    let mut body = body;
    body["dry_run"] = json!(false);
    let done = bulk(body.clone()).await;
    assert_eq!((&done["acted"], &done["next"]), (&json!(3), &Value::Null));
    assert_eq!(stage.acts().await.len(), 6);
    assert_eq!(bulk(body).await["matching"], json!(0));
    assert_eq!(stage.state(foreign).await, "dead");
}
