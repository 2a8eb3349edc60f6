//! The pages of the console over HTTP: who sees what, and which forms act.

use authz::Role;
use contracts::id::{DeliveryId, JobId, PaymentId};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use uuid::Uuid;

use crate::Stage;
use crate::interventions::stuck;

/// A browser: it follows no redirect by itself, and sends the cookies that it was given.
struct Browser<'a> {
    stage: &'a Stage,
    http: Client,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(stage: &'a Stage) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none());
        Self {
            stage,
            http: http.build().unwrap(),
            cookies: Vec::new(),
        }
    }

    /// One in which the account's member of this role is logged in.
    fn of(stage: &'a Stage, role: Role) -> Self {
        let member = stage.members[role as usize];
        let token = stage.signer.access_token(member, stage.account, role);
        let mut browser = Self::new(stage);
        browser
            .cookies
            .push(("pawl_access".to_owned(), token.unwrap()));
        browser
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let response = request.header(COOKIE, cookies.join("; ")).send();
        let response = response.await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            assert!(
                text.contains("HttpOnly; SameSite=Strict"),
                "a script or another site could use {text}"
            );
            let (name, rest) = text.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value));
        }
        response
    }

    async fn get(&mut self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.stage.base));
        self.send(request).await
    }

    async fn page(&mut self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = response.headers()["content-security-policy"].to_str();
        assert!(policy.unwrap().starts_with("default-src 'none'"));
        response.text().await.unwrap()
    }

    /// What the forms of this browser's pages send.
    async fn form_token(&mut self) -> String {
        let page = self.page("/login").await;
        let rest = page.split("name=\"form_token\" value=\"").nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.http.post(format!("{}{path}", self.stage.base));
        self.send(request.form(fields)).await
    }

    /// Sends a form of a page that this browser was shown.
    async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let token = self.form_token().await;
        let mut all = vec![("form_token", token.as_str())];
        all.extend(fields);
        self.post(path, &all).await
    }
}

/// Every route that writes, for this job and its payment.
fn writes(job: Uuid, payment: Uuid) -> Vec<String> {
    let (job, payment) = (JobId::from_uuid(job), PaymentId::from_uuid(payment));
    let delivery = DeliveryId::from_uuid(Uuid::now_v7());
    vec![
        format!("/jobs/{job}/retry"),
        format!("/jobs/{job}/cancel"),
        format!("/jobs/{job}/snooze"),
        "/jobs/bulk".to_owned(),
        format!("/payments/{payment}/resync"),
        format!("/payments/{payment}/force"),
        "/queues/create_intent/pause".to_owned(),
        "/queues/create_intent/resume".to_owned(),
        "/webhooks/evt_1/replay".to_owned(),
        format!("/deliveries/{delivery}/resend"),
    ]
}

async fn payment_of(stage: &Stage, job: Uuid) -> Uuid {
    sqlx::query_scalar("select payment_id from job where id = $1")
        .bind(job)
        .fetch_one(stage.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn who_is_not_logged_in_is_sent_to_the_login_and_comes_back() {
    let stage = Stage::start().await;
    let mut browser = Browser::new(&stage);
    for path in [
        "/",
        "/jobs?state=done",
        "/payments",
        "/webhooks",
        "/machines",
        "/audit",
    ] {
        let response = browser.get(path).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{path}");
        let to = response.headers()[LOCATION].to_str().unwrap();
        assert!(to.starts_with("/login?next=%2F"), "{to}");
    }
    let fields = [("email", "nobody@example.org"), ("password", "wrong")];
    let refused = browser.submit("/login", &fields).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let page = refused.text().await.unwrap();
    assert!(page.contains("The e-mail address or the password is wrong."));
}

#[tokio::test]
async fn a_viewer_sees_no_control_that_writes_and_is_refused_on_every_write_route() {
    let stage = Stage::start().await;
    let job = stage.job("dead").await;
    let payment = payment_of(&stage, job).await;
    let id = JobId::from_uuid(job);
    let mut operator = Browser::of(&stage, Role::Operator);
    assert!(operator.page("/jobs").await.contains("/retry"));
    let shown = format!("/payments/{}", PaymentId::from_uuid(payment));
    assert!(operator.page(&shown).await.contains("/force"));
    let mut viewer = Browser::of(&stage, Role::Viewer);
    for path in [
        "/",
        "/jobs",
        &format!("/jobs/{id}"),
        "/payments",
        &shown,
        "/webhooks",
    ] {
        let page = viewer.page(path).await;
        let forms: Vec<&str> = page.split("method=\"post\" action=\"").skip(1).collect();
        let forms = forms.iter().map(|rest| rest.split('"').next().unwrap());
        assert_eq!(forms.collect::<Vec<_>>(), ["/logout"], "{path}");
    }
    for path in writes(job, payment) {
        let response = viewer
            .submit(&path, &[("reason", "by hand"), ("minutes", "5")])
            .await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let preview = viewer.get("/jobs/bulk?action=retry").await;
    assert_eq!(preview.status(), StatusCode::FORBIDDEN);
    assert_eq!(stage.state(job).await, "dead");
}

#[tokio::test]
async fn who_may_not_read_the_audit_is_told_so_on_a_page_with_the_navigation() {
    let stage = Stage::start().await;
    let mut admin = Browser::of(&stage, Role::Admin);
    assert!(admin.page("/audit").await.contains("href=\"/audit\""));
    for role in [Role::Viewer, Role::Operator] {
        let mut browser = Browser::of(&stage, role);
        let refused = browser.get("/audit").await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let page = refused.text().await.unwrap();
        assert!(page.contains("Not with your role"), "{page}");
        assert!(page.contains("action=\"/logout\""), "{page}");
        for link in ["/", "/jobs", "/payments", "/webhooks", "/machines"] {
            assert!(page.contains(&format!("href=\"{link}\"")), "{link}: {page}");
        }
        assert!(!page.contains("href=\"/audit\""), "{page}");
    }
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let stage = Stage::start().await;
    let job = stage.job("dead").await;
    let payment = payment_of(&stage, job).await;
    let mut operator = Browser::of(&stage, Role::Operator);
    let token = operator.form_token().await;
    for path in writes(job, payment) {
        for fields in [&[("reason", "x")][..], &[("form_token", "guessed")]] {
            let response = operator.post(&path, fields).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        }
        let url = format!("{}{path}", stage.base);
        let foreign = operator.http.post(url).form(&[("form_token", &token)]);
        let foreign = foreign.header("sec-fetch-site", "cross-site");
        let response = operator.send(foreign).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(stage.state(job).await, "dead");
}

#[tokio::test]
async fn a_dead_job_is_retried_once_with_its_reason() {
    let stage = Stage::start().await;
    let job = stage.job("dead").await;
    let id = JobId::from_uuid(job);
    let mut operator = Browser::of(&stage, Role::Operator);
    let page = operator.page(&format!("/jobs/{id}")).await;
    let version = page.split("name=\"version\" value=\"").nth(1).unwrap();
    let version = version.split('"').next().unwrap().to_owned();
    let path = format!("/jobs/{id}/retry");
    let fields = [("version", version.as_str()), ("reason", "Stripe is back")];
    let done = operator.submit(&path, &fields).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    assert_eq!(done.headers()[LOCATION], format!("/jobs/{id}"));
    assert_eq!(stage.state(job).await, "queued");
    let again = operator.submit(&path, &fields).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let acts = stage.acts().await;
    assert_eq!(acts[0].0, "job_retried");
    assert_eq!(acts[0].2.as_deref(), Some("Stripe is back"));
}

#[tokio::test]
async fn a_payment_is_moved_by_hand_from_its_page_once_and_with_a_reason() {
    let stage = Stage::start().await;
    let (payment, job) = stuck(&stage, stage.account).await;
    let mut operator = Browser::of(&stage, Role::Operator);
    let page = operator.page(&format!("/payments/{payment}")).await;
    let version = page.split("name=\"version\" value=\"").nth(1).unwrap();
    let version = version.split('"').next().unwrap().to_owned();
    let path = format!("/payments/{payment}/force");
    let fields = [
        ("version", version.as_str()),
        ("status", "local_rejected"),
        ("reason", "Stripe's support says so"),
    ];
    for left_out in 0..fields.len() {
        let mut fields = fields.to_vec();
        fields.remove(left_out);
        let refused = operator.submit(&path, &fields).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{fields:?}");
    }
    assert_eq!(stage.state(job).await, "dead");
    let done = operator.submit(&path, &fields).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    assert_eq!(stage.state(job).await, "done");
    let again = operator.submit(&path, &fields).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let acts = stage.acts().await;
    let forced = acts.iter().filter(|it| it.0 == "payment_forced");
    let outcomes: Vec<&str> = forced.map(|it| it.1.as_str()).collect();
    assert_eq!(outcomes, ["requested", "done", "requested", "refused"]);
}

#[tokio::test]
async fn many_jobs_are_shown_before_they_are_retried_portion_by_portion() {
    let stage = Stage::start().await;
    for _ in 0..130 {
        stage.job("dead").await;
    }
    let mut operator = Browser::of(&stage, Role::Operator);
    let page = operator.page("/jobs/bulk?action=retry&error=refused").await;
    assert!(page.contains("Retry 130 jobs"));
    let fields = [
        ("action", "retry"),
        ("error", "refused"),
        ("reason", "Stripe is back"),
    ];
    let first = operator
        .submit("/jobs/bulk", &fields)
        .await
        .text()
        .await
        .unwrap();
    assert!(first.contains("100 of 130 jobs queued again"), "{first}");
    let next = first
        .split("name=\"starting_after\" value=\"")
        .nth(1)
        .unwrap();
    let next = next.split('"').next().unwrap().to_owned();
    let mut fields = fields.to_vec();
    fields.extend([
        ("starting_after", next.as_str()),
        ("done", "100"),
        ("all", "130"),
    ]);
    let last = operator
        .submit("/jobs/bulk", &fields)
        .await
        .text()
        .await
        .unwrap();
    assert!(last.contains("130 of 130 jobs queued again"), "{last}");
    assert!(!last.contains("data-continue"));
    let without = [("action", "retry")];
    let refused = operator.submit("/jobs/bulk", &without).await;
    assert!(refused.status().is_client_error());
}

#[tokio::test]
async fn another_accounts_operator_sees_nothing_of_this_one() {
    let stage = Stage::start().await;
    let job = stage.job_of(Uuid::now_v7(), "dead").await;
    let payment = payment_of(&stage, job).await;
    let (id, pay) = (JobId::from_uuid(job), PaymentId::from_uuid(payment));
    let mut operator = Browser::of(&stage, Role::Operator);
    for path in [format!("/jobs/{id}"), format!("/payments/{pay}")] {
        assert_eq!(operator.get(&path).await.status(), StatusCode::NOT_FOUND);
    }
    for path in ["/", "/jobs", "/payments", &format!("/payments?q={pay}")] {
        let page = operator.page(path).await;
        assert!(!page.contains(&id.to_string()), "{path}");
        assert!(!page.contains(&format!("/payments/{pay}")), "{path}");
    }
    for path in writes(job, payment) {
        let fields = [("reason", "x"), ("minutes", "5"), ("action", "retry")];
        let response = operator.submit(&path, &fields).await;
        // Many jobs at once are those of the own account: here none.
        let expected = if path == "/jobs/bulk" {
            response.status() == StatusCode::OK
        } else {
            response.status().is_client_error()
        };
        assert!(expected, "{path}: {}", response.status());
    }
    assert_eq!(stage.state(job).await, "dead");
}

#[tokio::test]
async fn text_of_a_client_stays_text() {
    let stage = Stage::start().await;
    let job = stage.job("dead").await;
    let payment = payment_of(&stage, job).await;
    let text = "<script>alert(1)</script>";
    sqlx::query("update payment set description = $2, reference = $2 where id = $1")
        .bind(payment)
        .bind(text)
        .execute(stage.database.pool())
        .await
        .unwrap();
    sqlx::query("update job set error = $2 where id = $1")
        .bind(job)
        .bind(text)
        .execute(stage.database.pool())
        .await
        .unwrap();
    let mut viewer = Browser::of(&stage, Role::Viewer);
    let (id, pay) = (JobId::from_uuid(job), PaymentId::from_uuid(payment));
    for path in [
        "/",
        "/jobs",
        &format!("/jobs/{id}"),
        "/payments",
        &format!("/payments/{pay}"),
    ] {
        let page = viewer.page(path).await;
        assert!(!page.contains(text), "{path}");
        assert!(page.contains("alert(1)"), "{path}");
    }
}
