//! The bank's page, where a customer passes 3-D Secure or fails it.

use hyper::StatusCode;

use crate::form::Form;
use crate::http::{Request, Response};
use crate::intent::{Intent, Status};
use crate::lock::Lock;
use crate::simulator::Simulator;
use crate::{currency, http, intents};

/// How the page looks.
pub(crate) const STYLE: &str = include_str!("authentication.css");

const PAGE: &str = include_str!("authentication.html");

/// The page of an intent; one that needs no authentication says so.
pub(crate) fn show(simulator: &Simulator, id: &str) -> Response {
    let store = simulator.store.hold();
    match store.intents.find(id) {
        Some(intent) => http::page("text/html; charset=utf-8", page(intent)),
        None => http::not_found(),
    }
}

/// The customer's choice; the browser goes on to the intent's `return_url` as Stripe would send it.
pub(crate) fn end(simulator: &Simulator, id: &str, request: &Request) -> Response {
    let passed = match Form::parse(&request.body) {
        Ok(form) => form.text("outcome") == Some("pass"),
        Err(_) => return http::fault(StatusCode::BAD_REQUEST, "The form cannot be read."),
    };
    // An intent that moved on meanwhile is not an error for the customer: the page shows where it is.
    let _ = simulator.operate_unasked(|store, call| intents::authenticate(store, id, passed, call));
    let store = simulator.store.hold();
    match store.intents.find(id) {
        Some(intent) => match back(intent) {
            Some(url) => http::redirect(&url),
            None => http::redirect(&format!("/_sim/authenticate/{id}")),
        },
        None => http::not_found(),
    }
}

/// `return_url` with `payment_intent`, `payment_intent_client_secret` and `redirect_status`.
fn back(intent: &Intent) -> Option<String> {
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

fn page(intent: &Intent) -> String {
    let waits = intent.status == Status::RequiresAction;
    let body = if waits {
        let amount = currency::shown(intent.amount, &intent.currency);
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

/// `text` as it may stand in HTML.
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
