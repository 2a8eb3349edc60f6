//! `pawl trigger`: makes the payments of a scenario at the `make run` of this checkout, with its simulator of Stripe.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use servers::Home;
use uuid::Uuid;

use crate::{output, table};

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks at a payment.
const LOOK: Duration = Duration::from_millis(100);

/// Makes what happens in a scenario happen: real calls to the gateway and the simulator of the `make run` in this checkout,
/// so that events, webhooks and pages show it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The scenario; `--list` shows all.
    #[arg(value_enum, required_unless_present = "list")]
    scenario: Option<Scenario>,
    /// Lists the scenarios.
    #[arg(long)]
    list: bool,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// A card payment succeeds.
    PaymentSucceeds,
    /// The card is declined.
    PaymentDeclined,
    /// The card has insufficient funds.
    InsufficientFunds,
    /// The bank asks for 3-D Secure, and the customer passes.
    ThreeDSecure,
    /// The bank asks for 3-D Secure, and the customer fails.
    ThreeDSecureFails,
    /// A payment is authorised and captured in part.
    PartialCapture,
    /// A payment is authorised and canceled.
    Cancel,
    /// A payment is refunded in part.
    Refund,
    /// A refund succeeds, and the bank returns the money later.
    LateRefundFailure,
    /// The customer disputes the payment at the bank.
    Dispute,
    /// The customer's bank warns of fraud.
    FraudWarning,
}

/// The running services, as `.pawl/dev.json` describes them.
#[derive(Deserialize)]
struct Running {
    gateway: String,
    simulator: String,
    api_key: String,
    #[serde(skip)]
    http: Client,
}

/// Runs the command.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let Some(scenario) = options.scenario.filter(|_| !options.list) else {
        list();
        return Ok(ExitCode::SUCCESS);
    };
    Running::find()?.play(scenario).await?;
    Ok(ExitCode::SUCCESS)
}

fn list() {
    let mut rows = table::new(&["scenario", "what happens"]);
    for value in Scenario::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value)
    {
        let help = value.get_help().map(ToString::to_string);
        rows.add_row([value.get_name().to_owned(), help.unwrap_or_default()]);
    }
    table::print(&rows);
}

impl Running {
    fn find() -> Result<Self> {
        let file = Home::find()?.join("dev.json");
        let text = fs::read(&file)
            .with_context(|| format!("{} is not there: start `make run` first", file.display()))?;
        let found: Self = serde_json::from_slice(&text).context(".pawl/dev.json cannot be read")?;
        let http = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { http, ..found })
    }

    async fn play(&self, scenario: Scenario) -> Result<()> {
        match scenario {
            Scenario::PaymentSucceeds => drop(self.pay("pm_card_visa", "automatic").await?),
            Scenario::PaymentDeclined => {
                drop(self.pay("pm_card_visa_chargeDeclined", "automatic").await?);
            }
            Scenario::InsufficientFunds => {
                let method = "pm_card_visa_chargeDeclinedInsufficientFunds";
                drop(self.pay(method, "automatic").await?);
            }
            Scenario::ThreeDSecure => self.authenticate("authenticate", "succeeded").await?,
            Scenario::ThreeDSecureFails => {
                let after = "requires_payment_method";
                self.authenticate("fail_authentication", after).await?;
            }
            Scenario::PartialCapture => {
                let payment = self.pay("pm_card_visa", "manual").await?;
                self.command(&payment, "capture", &json!({"amount": 700}))
                    .await?;
                self.until(&payment, "/status", "succeeded").await?;
            }
            Scenario::Cancel => {
                let payment = self.pay("pm_card_visa", "manual").await?;
                self.command(&payment, "cancel", &json!({})).await?;
                self.until(&payment, "/status", "canceled").await?;
            }
            Scenario::Refund => drop(self.refund("pm_card_visa").await?),
            Scenario::LateRefundFailure => {
                let refund = self.refund("pm_card_visa").await?;
                let stripe_id = text(&refund, "stripe_id")?;
                self.simulate(&format!("refunds/{stripe_id}/fail"), &json!({}))
                    .await?;
                let path = format!("refunds/{}", text(&refund, "id")?);
                self.reaches(&path, "/status", &json!("failed")).await?;
            }
            Scenario::Dispute => {
                let payment = self.pay("pm_card_visa", "automatic").await?;
                let about = json!({"payment_intent": text(&payment, "intent_id")?});
                self.simulate("disputes", &about).await?;
                let path = format!("payments/{}", text(&payment, "id")?);
                self.reaches(&path, "/disputed", &json!(true)).await?;
            }
            Scenario::FraudWarning => {
                let payment = self.pay("pm_card_visa", "automatic").await?;
                let about = json!({"payment_intent": text(&payment, "intent_id")?});
                self.simulate("fraud_warnings", &about).await?;
                self.until(&payment, "/holds/0/source", "early_fraud_warning")
                    .await?;
            }
        }
        Ok(())
    }

    /// Makes a payment of 12.00 EUR and waits until it is at rest or asks for something.
    async fn pay(&self, method: &str, capture_method: &str) -> Result<Value> {
        let order = json!({
            "amount": 1200, "currency": "eur", "payment_method": method, "confirm": true,
            "capture_method": capture_method, "return_url": "https://shop.example/back",
        });
        let payment = self.post("payments", &order).await?;
        show("payment", &payment);
        Ok(payment)
    }

    async fn authenticate(&self, action: &str, status: &str) -> Result<()> {
        let payment = self
            .pay("pm_card_authenticationRequired", "automatic")
            .await?;
        let intent = text(&payment, "intent_id")?;
        let path = format!("payment_intents/{intent}/{action}");
        self.simulate(&path, &json!({})).await?;
        self.until(&payment, "/status", status).await
    }

    async fn refund(&self, method: &str) -> Result<Value> {
        let payment = self.pay(method, "automatic").await?;
        let refund = self
            .command(&payment, "refunds", &json!({"amount": 500}))
            .await?;
        let path = format!("refunds/{}", text(&refund, "id")?);
        self.reaches(&path, "/status", &json!("succeeded")).await
    }

    async fn command(&self, payment: &Value, name: &str, body: &Value) -> Result<Value> {
        self.post(&format!("payments/{}/{name}", text(payment, "id")?), body)
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self
            .http
            .post(format!("{}/api/v1/{path}", self.gateway))
            .header("X-API-Key", &self.api_key)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .header("Prefer", "wait=20")
            .json(body);
        answered(request).await
    }

    async fn simulate(&self, path: &str, body: &Value) -> Result<()> {
        let url = format!("{}/_sim/{path}", self.simulator);
        answered(self.http.post(url).json(body)).await?;
        output::line(format!("simulator  {path}"));
        Ok(())
    }

    async fn until(&self, payment: &Value, field: &str, value: &str) -> Result<()> {
        let path = format!("payments/{}", text(payment, "id")?);
        self.reaches(&path, field, &json!(value)).await.map(drop)
    }

    /// Reads an object until its field has the value.
    async fn reaches(&self, path: &str, field: &str, value: &Value) -> Result<Value> {
        let waiting = async {
            loop {
                let request = self.http.get(format!("{}/api/v1/{path}", self.gateway));
                let object = answered(request.header("X-API-Key", &self.api_key)).await?;
                if object.pointer(field) == Some(value) {
                    return Ok(object);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let object: Result<Value> = tokio::time::timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("{path} did not get {field} {value} within 30 s"))?;
        let object = object?;
        show(object["object"].as_str().unwrap_or("object"), &object);
        Ok(object)
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

fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str> {
    let text = object[field].as_str();
    text.with_context(|| format!("{field} is missing in {object}"))
}

fn show(what: &str, object: &Value) {
    let word = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let error = object["last_error"]["code"].as_str().unwrap_or_default();
    output::line(format!("{what:<10} {} {} {error}", word("id"), word("status")).trim_end());
}
