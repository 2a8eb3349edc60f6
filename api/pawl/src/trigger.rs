//! `pawl trigger`: makes the payments of a scenario at the `make run` of this checkout, with its simulator of Stripe.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::running::{Running, text};
use crate::{output, table};

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

/// Makes the calls of a scenario and prints what they lead to.
struct Player(Running);

/// Runs the command.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let Some(scenario) = options.scenario.filter(|_| !options.list) else {
        list();
        return Ok(ExitCode::SUCCESS);
    };
    Player(Running::find()?).play(scenario).await?;
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

impl Player {
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
        let key = Uuid::now_v7().to_string();
        self.0.post(path, &key, body).await
    }

    async fn simulate(&self, path: &str, body: &Value) -> Result<()> {
        self.0.simulate(path, body).await?;
        output::line(format!("simulator  {path}"));
        Ok(())
    }

    async fn until(&self, payment: &Value, field: &str, value: &str) -> Result<()> {
        let path = format!("payments/{}", text(payment, "id")?);
        self.reaches(&path, field, &json!(value)).await.map(drop)
    }

    /// Reads an object until its field has the value.
    async fn reaches(&self, path: &str, field: &str, value: &Value) -> Result<Value> {
        let object = self.0.reaches(path, field, value).await?;
        show(object["object"].as_str().unwrap_or("object"), &object);
        Ok(object)
    }
}

fn show(what: &str, object: &Value) {
    let word = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let error = object["last_error"]["code"].as_str().unwrap_or_default();
    output::line(format!("{what:<10} {} {} {error}", word("id"), word("status")).trim_end());
}
