//! The simulator's administration, as the proofs use it: 3-D Secure, faults and the ledger.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use contracts::id::PaymentId;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// The number of payments in one page of the ledger.
const PAGE: usize = 1_000;

/// The ledger of the simulator, which is the truth about money.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// By the payment of ours that the intent's metadata names.
    pub(crate) payments: BTreeMap<Uuid, Account>,
    /// Intents that name no payment of ours.
    pub(crate) strangers: Vec<String>,
}

/// One payment in the ledger.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Account {
    pub(crate) payment_id: Option<String>,
    pub(crate) payment_intent: String,
    pub(crate) status: String,
    pub(crate) currency: String,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    /// Successful charges.
    pub(crate) charges: u64,
    /// Intents that name this payment.
    pub(crate) intents: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    payments: Vec<Account>,
    has_more: bool,
}

#[derive(Debug, Deserialize)]
struct Faults {
    fired: BTreeMap<String, u64>,
}

/// A running simulator.
#[derive(Debug, Clone)]
pub(crate) struct Simulator {
    http: reqwest::Client,
    base: String,
}

impl Simulator {
    /// The simulator at that address.
    pub(crate) fn new(http: reqwest::Client, base: String) -> Simulator {
        Simulator { http, base }
    }

    /// Completes 3-D Secure for the customer.
    pub(crate) async fn authenticate(&self, intent: &str) -> Result<()> {
        self.post(
            &format!("/_sim/payment_intents/{intent}/authenticate"),
            &json!({"outcome": "succeed"}),
        )
        .await
    }

    /// Makes the simulator commit faults by these rules, drawn with this seed.
    pub(crate) async fn inject(&self, seed: u64, rules: &[Value]) -> Result<()> {
        self.send(
            Method::PUT,
            "/_sim/faults",
            &json!({"seed": seed, "reset_counts": true, "rules": rules}),
        )
        .await
    }

    /// Ends the faults; their counts stay.
    pub(crate) async fn stop_faults(&self) -> Result<()> {
        self.send(Method::PUT, "/_sim/faults", &json!({"rules": []}))
            .await
    }

    /// The number of faults so far, by the simulator's names.
    pub(crate) async fn faults(&self) -> Result<BTreeMap<String, u64>> {
        let report = self
            .http
            .get(format!("{}/_sim/faults", self.base))
            .send()
            .await?
            .error_for_status()?;
        let report: Faults = report
            .json()
            .await
            .context("reading the faults that fired")?;
        Ok(report.fired)
    }

    /// The whole ledger.
    pub(crate) async fn ledger(&self) -> Result<Ledger> {
        let mut ledger = Ledger::default();
        for offset in (0..).step_by(PAGE) {
            let url = format!("{}/_sim/ledger?offset={offset}&limit={PAGE}", self.base);
            let page: Page = self
                .http
                .get(url)
                .send()
                .await?
                .error_for_status()?
                .json()
                .await
                .context("reading the ledger")?;
            for account in page.payments {
                match account.payment_id.as_deref().and_then(payment) {
                    Some(id) => drop(ledger.payments.insert(id, account)),
                    None => ledger.strangers.push(account.payment_intent),
                }
            }
            if !page.has_more {
                break;
            }
        }
        Ok(ledger)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<()> {
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<()> {
        let answer = self
            .http
            .request(method, format!("{}{path}", self.base))
            .json(body)
            .send()
            .await?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            bail!("the simulator answered {status} to {path}: {text}");
        }
        Ok(())
    }
}

/// The payment that a `metadata.payment_id` names.
fn payment(text: &str) -> Option<Uuid> {
    text.parse::<PaymentId>()
        .map(|id| id.uuid())
        .ok()
        .or_else(|| text.parse().ok())
}
