//! The services of the `make run` in this checkout, for commands that make something happen there.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;
use servers::Home;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks at an object.
const LOOK: Duration = Duration::from_millis(100);

/// The running services, as `.pawl/dev.json` describes them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Running {
    gateway: String,
    simulator: String,
    api_key: String,
    pub(crate) database_url: String,
    #[serde(skip)]
    http: Client,
}

impl Running {
    /// Finds them.
    ///
    /// # Errors
    /// `make run` was never started here.
    pub(crate) fn find() -> Result<Self> {
        let file = Home::find()?.join("dev.json");
        let text = fs::read(&file)
            .with_context(|| format!("{} is not there: start `make run` first", file.display()))?;
        let found: Self = serde_json::from_slice(&text).context(".pawl/dev.json cannot be read")?;
        let http = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { http, ..found })
    }

    /// A POST to the API with this idempotency key, which waits for Stripe's answer.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let request = self
            .http
            .post(format!("{}/api/v1/{path}", self.gateway))
            .header("X-API-Key", &self.api_key)
            .header("Idempotency-Key", key)
            .header("Prefer", "wait=20")
            .json(body);
        answered(request).await
    }

    /// A GET of the API.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}/api/v1/{path}", self.gateway));
        answered(request.header("X-API-Key", &self.api_key)).await
    }

    /// Makes something happen at the simulator of Stripe.
    pub(crate) async fn simulate(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/_sim/{path}", self.simulator);
        answered(self.http.post(url).json(body)).await
    }

    /// Reads an object until its field has the value.
    pub(crate) async fn reaches(&self, path: &str, field: &str, value: &Value) -> Result<Value> {
        let waiting = async {
            loop {
                let object = self.get(path).await?;
                if object.pointer(field) == Some(value) {
                    return Ok(object);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("{path} did not get {field} {value} within 30 s"))?
    }
}

/// The JSON of a successful answer.
async fn answered(request: RequestBuilder) -> Result<Value> {
    let response = request.send().await.context("does `make run` still run?")?;
    let (status, url) = (response.status(), response.url().clone());
    let body = response.text().await?;
    if !status.is_success() {
        bail!("{url} answered {status}: {body}");
    }
    Ok(serde_json::from_str(&body).unwrap_or_default())
}

/// A text of an object.
///
/// # Errors
/// There is none of this name.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str> {
    let text = object[field].as_str();
    text.with_context(|| format!("{field} is missing in {object}"))
}
