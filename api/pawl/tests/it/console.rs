//! The console in Chromium, with everything that `pawl dev` starts behind it.

use std::process::Command;

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::Value;

use crate::browser::Browser;
use crate::dev::{paste, start};
use crate::program::Workshop;

/// Dead jobs of the demonstration's account, one for each number.
const DEAD_JOBS: &str = r#"
    with numbers as (select generate_series(:from, :to) as n),
    made as (
        insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, created_at, updated_at)
        select ('01889d89-df3a-7aea-bc61-bd1eefb8d8' || lpad(n::text, 2, '0'))::uuid, (select account_id from payment limit 1),
               'local_created', 1, 1099, 'eur', 'automatic', false, now(), now() from numbers
        returning id)
    insert into job (id, payment_id, subject, effect, state, due_at, call_key, error, created_at)
    select ('01889d89-df3a-7aea-bc61-bd1eefb8d9' || lpad(n::text, 2, '0'))::uuid,
           ('01889d89-df3a-7aea-bc61-bd1eefb8d8' || lpad(n::text, 2, '0'))::uuid, gen_random_uuid(), '{"kind": "create_intent"}',
           'dead', now(), 'key-' || n, 'no answer from Stripe', now() from numbers"#;

fn add_dead_jobs(facts: &Value, from: u8, to: u8) {
    let sql = DEAD_JOBS
        .replace(":from", &from.to_string())
        .replace(":to", &to.to_string());
    let added = Command::new("psql")
        .args([
            "-qv",
            "ON_ERROR_STOP=1",
            facts["database_url"].as_str().unwrap(),
        ])
        .args(["-c", &sql])
        .status();
    assert!(added.unwrap().success());
}

async fn log_in(browser: &Browser, facts: &Value) {
    let core = facts["core"].as_str().unwrap();
    browser
        .page
        .goto(&format!("{core}/payments"))
        .await
        .unwrap();
    for (field, value) in [("email", "email"), ("password", "password")] {
        let field = browser.find(&format!("input[name={field}]")).await;
        let text = facts["operator"][value].as_str().unwrap();
        field.send_keys(text).await.unwrap();
    }
    let password = browser.find("input[name=password]").await;
    password.send_keys("\u{e007}").await.unwrap();
    browser.find("nav[aria-label=Pages]").await;
}

async fn go(browser: &Browser, facts: &Value, path: &str) {
    let core = facts["core"].as_str().unwrap();
    browser.page.goto(&format!("{core}{path}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_follows_payments_and_retries_jobs() {
    let workshop = Workshop::new();
    let dev = start(&workshop);
    let facts = &dev.facts;
    let browser = Browser::start(true).await;
    log_in(&browser, facts).await;
    browser
        .until(
            "the stream",
            "document.documentElement.dataset.live === 'open'",
        )
        .await;

    // The first payment appears by itself, the next one announces itself; the page is never loaded again.
    let marked = browser.page.execute("window.marked = true", Vec::new());
    marked.await.unwrap();
    let first = paste(&workshop, "Prefer");
    browser.until_text(first["id"].as_str().unwrap()).await;
    let second = paste(&workshop, "Prefer");
    browser.until_text("Show 1 new").await;
    browser.click("#news").await;
    browser.until_text(second["id"].as_str().unwrap()).await;
    browser.until("the same page", "window.marked").await;

    // A dead job goes to done on its own page.
    add_dead_jobs(facts, 1, 1);
    go(&browser, facts, "/jobs").await;
    browser.click("tbody a[data-open]").await;
    browser.until_text("no answer from Stripe").await;
    let reason = browser.find("input[name=reason]").await;
    reason.send_keys("Stripe is back").await.unwrap();
    browser.click("button[data-retry]").await;
    browser
        .until(
            "done",
            "document.querySelector('.head .badge')?.textContent === 'done'",
        )
        .await;

    // Many at once: preview, reason, progress.
    add_dead_jobs(facts, 2, 4);
    go(&browser, facts, "/jobs").await;
    browser.click("a.button").await;
    browser.until_text("Retry 3 jobs").await;
    let reason = browser.find("input[name=reason]").await;
    reason.send_keys("Stripe is back").await.unwrap();
    browser.click("form.act button").await;
    browser.until_text("3 of 3 jobs queued again").await;
    go(&browser, facts, "/jobs").await;
    browser.until_text("No job is dead").await;

    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    dev.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_telephone_and_works_by_keyboard_and_without_scripts() {
    let workshop = Workshop::new();
    let dev = start(&workshop);
    let facts = &dev.facts;
    let payment = paste(&workshop, "Prefer");
    let payment = payment["id"].as_str().unwrap();
    add_dead_jobs(facts, 1, 2);

    let browser = Browser::start(true).await;
    log_in(&browser, facts).await;
    for width in [1280, 390] {
        browser.set_width(width).await;
        for path in [
            "/",
            "/jobs",
            "/jobs?state=done",
            "/jobs/bulk?action=retry",
            "/payments",
            &format!("/payments/{payment}"),
            "/webhooks",
            "/machines",
        ] {
            go(&browser, facts, path).await;
            browser.find("main h1").await;
            let fits = "document.documentElement.scrollWidth <= window.innerWidth";
            browser.until(&format!("{path} in {width}"), fits).await;
        }
    }
    // Keys: down to the second row, open it, help, and the search.
    go(&browser, facts, "/jobs").await;
    let body = browser.find("body").await;
    body.send_keys("jj").await.unwrap();
    let second = "document.querySelectorAll('tbody tr')[1].classList.contains('current')";
    browser.until("the second row", second).await;
    let open = browser.page.active_element().await.unwrap();
    open.send_keys("\u{e007}").await.unwrap();
    browser.until_text("Idempotency key").await;
    let body = browser.find("body").await;
    body.send_keys("?").await.unwrap();
    browser
        .until("the help", "document.getElementById('help').open")
        .await;
    let body = browser.find("body").await;
    body.send_keys(&Key::Escape.to_string()).await.unwrap();
    go(&browser, facts, "/payments").await;
    let body = browser.find("body").await;
    body.send_keys("/").await.unwrap();
    let search = "document.activeElement.id === 'search'";
    browser.until("the search", search).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;

    let browser = Browser::start(false).await;
    log_in(&browser, facts).await;
    go(&browser, facts, "/jobs").await;
    browser.click("button[data-retry]").await;
    go(&browser, facts, "/jobs").await;
    let left = browser.page.find_all(Locator::Css("button[data-retry]"));
    assert_eq!(left.await.unwrap().len(), 1);
    browser.click("header form button").await;
    browser.find("input[name=password]").await;
    go(&browser, facts, "/jobs").await;
    browser.find("input[name=password]").await;
    browser.close().await;
    dev.stop();
}
