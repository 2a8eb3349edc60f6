//! The orders of the demonstration, and what becomes of each.

use anyhow::Result;
use serde_json::{Value, json};

use crate::running::{Running, text};

/// What happens to an order after its payment.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// Nothing.
    Rest,
    /// The money is authorized and waits.
    Wait,
    /// A part is captured.
    Capture(i64),
    Cancel,
    /// This is refunded.
    Refund(i64),
    /// The customer passes 3-D Secure.
    Authenticate,
    /// The dispute that the payment method leads to ends so at the bank.
    Dispute(&'static str),
}

/// An order of the demonstration's shop.
#[derive(Debug)]
pub(super) struct Order {
    customer: &'static str,
    what: &'static str,
    amount: i64,
    currency: &'static str,
    /// Empty where the customer has not chosen one.
    method: &'static str,
    then: Then,
}

const fn order(
    customer: &'static str,
    what: &'static str,
    amount: i64,
    currency: &'static str,
    method: &'static str,
    then: Then,
) -> Order {
    Order {
        customer,
        what,
        amount,
        currency,
        method,
        then,
    }
}

/// All orders. Their references are their places in this list.
#[rustfmt::skip]
pub(super) const ORDERS: [Order; 36] = [
    order("Ada Lovelace", "A mug", 1_200, "eur", "pm_card_visa", Then::Rest),
    order("Grace Hopper", "Two mugs and a spoon", 2_950, "usd", "pm_card_mastercard", Then::Rest),
    order("Alan Turing", "A teapot", 4_900, "gbp", "pm_card_visa", Then::Rest),
    order("Katherine Johnson", "A tea set", 12_800, "usd", "pm_card_amex", Then::Rest),
    order("湯川 秀樹", "湯のみ", 3_400, "jpy", "pm_card_jcb", Then::Rest),
    order("Emmy Noether", "A coffee grinder", 18_900, "eur", "pm_card_visa", Then::Rest),
    order("Leonhard Euler", "Seven spoons", 2_100, "chf", "pm_card_visa", Then::Rest),
    order("Sofja Kowalewskaja", "A samovar", 64_000, "eur", "pm_card_mastercard", Then::Rest),
    order("Maryam Mirzakhani", "A tray", 3_900, "eur", "pm_card_visa", Then::Rest),
    order("Barbara Liskov", "Four plates", 5_600, "usd", "pm_card_discover", Then::Rest),
    order("Edsger Dijkstra", "A fork", 700, "eur", "pm_card_visa", Then::Rest),
    order("Niklaus Wirth", "A cake stand", 7_300, "chf", "pm_card_visa", Then::Rest),
    order("Radia Perlman", "A tree of mugs", 2_600, "usd", "pm_card_visa", Then::Rest),
    order("Donald Knuth", "The art of tea", 25_600, "usd", "pm_card_visa", Then::Refund(25_600)),
    order("Margaret Hamilton", "A tea towel", 1_500, "usd", "pm_card_visa", Then::Refund(500)),
    order("Frances Allen", "Three cups", 3_300, "usd", "pm_card_pendingRefund", Then::Refund(1_100)),
    order("John Backus", "A sugar bowl", 1_900, "usd", "pm_card_refundFail", Then::Refund(1_900)),
    order("Hedy Lamarr", "A radio", 8_800, "usd", "pm_card_authenticationRequired", Then::Authenticate),
    order("Lise Meitner", "A kettle", 5_900, "eur", "pm_card_authenticationRequired", Then::Rest),
    order("Max Planck", "A measuring cup", 1_700, "eur", "pm_card_threeDSecure2Required", Then::Rest),
    order("Kurt Gödel", "An endless cup", 2_000, "eur", "pm_card_chargeDeclined", Then::Rest),
    order("Georg Cantor", "Infinitely many mugs", 99_900, "eur", "pm_card_chargeDeclinedInsufficientFunds", Then::Rest),
    order("Henri Poincaré", "A doughnut", 450, "eur", "pm_card_chargeDeclinedExpiredCard", Then::Rest),
    order("Pierre de Fermat", "A small margin", 1_000, "eur", "pm_card_chargeDeclinedStolenCard", Then::Rest),
    order("Johannes Kepler", "Two ellipses", 4_200, "eur", "pm_card_visa", Then::Wait),
    order("Carl Friedrich Gauß", "A bell", 6_400, "eur", "pm_card_visa", Then::Wait),
    order("Blaise Pascal", "A calculator", 15_000, "eur", "pm_card_visa", Then::Capture(9_000)),
    order("Gottfried Leibniz", "A biscuit tin", 2_300, "eur", "pm_card_visa", Then::Cancel),
    order("Daniel Bernoulli", "A pump", 7_700, "usd", "pm_usBankAccount_processing", Then::Rest),
    order("Évariste Galois", "A teapot for two", 3_100, "eur", "pm_card_createDispute", Then::Rest),
    order("Niels Abel", "A cup without solution", 2_800, "eur", "pm_card_createDisputeProductNotReceived", Then::Dispute("lose")),
    order("Hypatia", "An astrolabe", 21_000, "eur", "pm_card_createDispute", Then::Dispute("win")),
    order("Omar Khayyam", "A jug", 4_700, "eur", "pm_card_createDisputeInquiry", Then::Rest),
    order("Srinivasa Ramanujan", "A cab", 17_290, "gbp", "pm_card_createIssuerFraudRecord", Then::Rest),
    order("Joseph Fourier", "A wave-shaped tray", 3_600, "eur", "", Then::Rest),
    order("Augustin Cauchy", "A sequence of cups", 2_500, "eur", "", Then::Rest),
];

impl Order {
    /// Places the order and makes what becomes of it. An order that was placed before stays as it is.
    pub(super) async fn place(&self, running: &Running, reference: &str) -> Result<()> {
        let known = running
            .get(&format!("payments?reference={reference}"))
            .await?;
        if known["data"]
            .as_array()
            .is_some_and(|found| !found.is_empty())
        {
            return Ok(());
        }
        let request = self.request(reference);
        let payment = running.post("payments", reference, &request).await?;
        let path = format!("payments/{}", text(&payment, "id")?);
        let act = async |name: &str, body: Value| {
            let (path, key) = (format!("{path}/{name}"), format!("{reference}-{name}"));
            running.post(&path, &key, &body).await.map(drop)
        };
        match self.then {
            Then::Rest | Then::Wait => Ok(()),
            Then::Capture(amount) => act("capture", json!({ "amount": amount })).await,
            Then::Cancel => act("cancel", json!({"reason": "requested_by_customer"})).await,
            Then::Refund(amount) => act("refunds", json!({ "amount": amount })).await,
            Then::Authenticate => {
                let intent = text(&payment, "intent_id")?;
                let path = format!("payment_intents/{intent}/authenticate");
                running.simulate(&path, &json!({})).await.map(drop)
            }
            Then::Dispute(end) => {
                let shown = running.reaches(&path, "/disputed", &json!(true)).await?;
                let listed = format!("disputes?payment={}", text(&shown, "id")?);
                let listed = running.get(&listed).await?;
                let dispute = text(&listed["data"][0], "stripe_id")?;
                let path = format!("disputes/{dispute}/{end}");
                running.simulate(&path, &json!({})).await.map(drop)
            }
        }
    }

    fn request(&self, reference: &str) -> Value {
        let is_manual = matches!(self.then, Then::Wait | Then::Capture(_) | Then::Cancel);
        let mut request = json!({
            "amount": self.amount, "currency": self.currency, "reference": reference, "description": self.what,
            "customer": {"name": self.customer}, "metadata": {"shop": "mugs"},
            "capture_method": if is_manual { "manual" } else { "automatic" },
        });
        let address = self.customer.to_lowercase().replace(' ', ".");
        if address.is_ascii() {
            request["customer"]["email"] = format!("{address}@example.com").into();
        }
        if !self.method.is_empty() {
            request["payment_method"] = self.method.into();
            request["confirm"] = true.into();
            request["return_url"] = "https://shop.example/back".into();
        }
        request
    }
}
