//! A complete answer, and the checks of the contract on it.

use anyhow::Result;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::seen::Seen;

/// Text that no answer may hold: SQL, stack traces, paths and names of internal parts.
const INSIDES: [&str; 9] = [
    "sqlx",
    "panicked",
    "backtrace",
    "/src/",
    ".rs:",
    "select ",
    "insert into",
    "postgres",
    "redis:",
];

/// Status, headers and body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Result<Answer> {
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// The body, or null if it is no JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A field of the body as text; empty if it is not there.
    pub(super) fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header as a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }

    pub(super) fn is_success(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|status| status.is_success())
    }

    /// The status and the code of the problem.
    pub(super) fn status_and_code(&self) -> String {
        let code = self.field("code");
        if code.is_empty() {
            self.status.to_string()
        } else {
            format!("{} {code}", self.status)
        }
    }

    /// The body without the request id.
    pub(super) fn body(&self) -> Value {
        let mut body = self.json();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        body
    }

    /// The fault of a problem that is incomplete or reveals internals; `None` if it has none.
    fn fault(&self) -> Option<String> {
        let lower = self.text.to_lowercase();
        if let Some(inside) = INSIDES.iter().find(|inside| lower.contains(**inside)) {
            return Some(format!(
                "{} that reveals {inside:?}",
                self.status_and_code()
            ));
        }
        let kind = self.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/problem+json") {
            return Some(format!("{} as {kind:?}", self.status));
        }
        let body = self.json();
        let whole =
            body["status"] == self.status && body["code"].is_string() && body["title"].is_string();
        (!whole).then(|| format!("{}, an incomplete problem: {}", self.status, self.text))
    }

    /// Whether it is a problem of one of these codes; a code begins with its status, as in `422 invalid_amount`, and a
    /// bare status means any code.
    pub(super) fn refused(&self, codes: &[&str]) -> Result<Seen> {
        if let Some(fault) = self.fault() {
            return Seen::new(false, fault);
        }
        let seen = self.status_and_code();
        let held = codes
            .iter()
            .any(|code| *code == seen || *code == self.status.to_string());
        Seen::new(held, seen)
    }

    /// Whether it is the one 401 that does not reveal the cause.
    pub(super) fn generic(&self) -> Result<Seen> {
        if self.status == 401 && self.header("www-authenticate").is_none() {
            return Seen::new(false, "401 without WWW-Authenticate");
        }
        self.refused(&["401 unauthenticated"])
    }

    /// Whether both have the same status and body.
    pub(super) fn same(&self, other: &Answer) -> bool {
        self.status == other.status && self.body() == other.body()
    }
}
