//! The bank's page on which a customer completes or fails 3-D Secure.

use hyper::StatusCode;

use crate::bank::authentication;
use crate::form::Form;
use crate::http::{Request, Response};
use crate::objects::intent::{Intent, Status};
use crate::simulator::Simulator;
use crate::{currency, http};

/// The style sheet of the page.
pub(crate) const STYLE: &str = include_str!("page.css");

const PAGE: &str = include_str!("page.html");

/// Shows the page of an intent, also of one that needs no authentication.
pub(crate) fn show(simulator: &Simulator, id: &str) -> Response {
    let store = simulator.store.lock();
    match store.intents.find(id) {
        Some(intent) => http::page("text/html; charset=utf-8", render(intent)),
        None => http::not_found(),
    }
}

/// Applies the customer's choice and redirects the browser to the intent's `return_url` as Stripe does.
pub(crate) fn submit(simulator: &Simulator, id: &str, request: &Request) -> Response {
    let passed = match Form::parse(&request.body) {
        Ok(form) => form.text("outcome") == Some("pass"),
        Err(_) => return http::fault(StatusCode::BAD_REQUEST, "The form cannot be read."),
    };
    // An intent that has changed meanwhile is not an error for the customer: the page shows its status.
    let _ = simulator
        .operate_internally(|store, call| authentication::authenticate(store, id, passed, call));
    let store = simulator.store.lock();
    match store.intents.find(id) {
        Some(intent) => match return_address(intent) {
            Some(url) => http::redirect(&url),
            None => http::redirect(&format!("/_sim/authenticate/{id}")),
        },
        None => http::not_found(),
    }
}

/// Renders `return_url` with `payment_intent`, `payment_intent_client_secret` and `redirect_status`.
fn return_address(intent: &Intent) -> Option<String> {
    let url = intent.return_url.as_deref()?;
    let (url, fragment) = url
        .split_once('#')
        .map_or((url, None), |(url, rest)| (url, Some(rest)));
    let joint = if url.contains('?') { '&' } else { '?' };
    let status = match intent.status {
        Status::Succeeded | Status::RequiresCapture => "succeeded",
        Status::Processing => "pending",
        _ => "failed",
    };
    let mut back = format!(
        "{url}{joint}payment_intent={}&payment_intent_client_secret={}&redirect_status={status}",
        intent.id, intent.client_secret
    );
    if let Some(fragment) = fragment {
        back.push('#');
        back.push_str(fragment);
    }
    Some(back)
}

fn render(intent: &Intent) -> String {
    let is_needed = intent.status == Status::RequiresAction;
    let body = if is_needed {
        let amount = currency::format_amount(intent.amount, &intent.currency);
        format!(
            "<p>A payment of <b>{}</b> waits for you.</p>\
             <form method=\"post\"><button name=\"outcome\" value=\"pass\">Complete</button>\
             <button class=\"quiet\" name=\"outcome\" value=\"fail\">Fail authentication</button></form>",
            escape(&amount)
        )
    } else {
        format!(
            "<p>Nothing to do here: the payment is <b>{}</b>.</p>",
            intent.status.as_str()
        )
    };
    PAGE.replace("{id}", &escape(&intent.id))
        .replace("{body}", &body)
}

/// Escapes `text` for HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
