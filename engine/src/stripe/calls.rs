//! The calls that change an object at Stripe, one function each.

use std::collections::BTreeMap;

use workflows::payment::Call;
use workflows::stripe::{Dispute, Intent, Refund};

use super::class::Class;
use super::client::Client;
use super::failure::{Answered, Failure};
use super::params::{
    ConfirmIntent, CreateIntent, CreateRefund, EXPAND, Form, IdempotencyKey, LATEST_CHARGE,
};

impl Client {
    /// Creates an intent without confirming it.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn create_intent(
        &self,
        intent: &CreateIntent,
        key: &IdempotencyKey,
    ) -> Result<Answered<Intent>, Failure> {
        let form = intent.form();
        self.post(Call::CreateIntent, "/v1/payment_intents", &form, key)
            .await
    }

    /// Confirms an intent: from here on money may move.
    ///
    /// # Errors
    /// [`Failure`]; a decline is [`Class::Business`] with the intent inside.
    pub async fn confirm_intent(
        &self,
        id: &str,
        confirmation: &ConfirmIntent,
        key: &IdempotencyKey,
    ) -> Result<Answered<Intent>, Failure> {
        let path = format!("/v1/payment_intents/{}/confirm", path_segment(id)?);
        self.post(Call::ConfirmIntent, &path, &confirmation.form(), key)
            .await
    }

    /// Captures `amount` of an authorized intent, and releases the rest if the capture is final.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn capture_intent(
        &self,
        id: &str,
        amount: i64,
        is_final: bool,
        key: &IdempotencyKey,
    ) -> Result<Answered<Intent>, Failure> {
        let path = format!("/v1/payment_intents/{}/capture", path_segment(id)?);
        let form = Form::default()
            .with("amount_to_capture", &amount)
            // Stripe takes the parameter only where several captures are available; one capture is final by itself.
            .maybe("final_capture", (!is_final).then_some(false))
            .with(EXPAND, LATEST_CHARGE);
        self.post(Call::CaptureIntent, &path, &form, key).await
    }

    /// Cancels an intent. Stripe's reasons are `duplicate`, `fraudulent`, `requested_by_customer` and `abandoned`.
    ///
    /// # Errors
    /// [`Failure`]; an intent that can no longer be canceled is [`Class::Conflict`].
    pub async fn cancel_intent(
        &self,
        id: &str,
        reason: Option<&str>,
        key: &IdempotencyKey,
    ) -> Result<Answered<Intent>, Failure> {
        let path = format!("/v1/payment_intents/{}/cancel", path_segment(id)?);
        let form = Form::default()
            .maybe("cancellation_reason", reason)
            .with(EXPAND, LATEST_CHARGE);
        self.post(Call::CancelIntent, &path, &form, key).await
    }

    /// Refunds an intent.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn create_refund(
        &self,
        refund: &CreateRefund,
        key: &IdempotencyKey,
    ) -> Result<Answered<Refund>, Failure> {
        let form = refund.form();
        self.post(Call::CreateRefund, "/v1/refunds", &form, key)
            .await
    }

    /// Stores evidence of a dispute, by Stripe's names of the fields; with `submit` the bank gets it, once and for good.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn update_dispute(
        &self,
        id: &str,
        evidence: &BTreeMap<String, String>,
        submit: bool,
        key: &IdempotencyKey,
    ) -> Result<Answered<Dispute>, Failure> {
        let path = format!("/v1/disputes/{}", path_segment(id)?);
        let mut form = Form::default().with("submit", &submit);
        for (field, text) in evidence {
            form = form.with(format!("evidence[{field}]"), text);
        }
        self.post(Call::UpdateDispute, &path, &form, key).await
    }

    /// Accepts a dispute: it is lost.
    ///
    /// # Errors
    /// [`Failure`]; its class says what follows.
    pub async fn close_dispute(
        &self,
        id: &str,
        key: &IdempotencyKey,
    ) -> Result<Answered<Dispute>, Failure> {
        let path = format!("/v1/disputes/{}/close", path_segment(id)?);
        self.post(Call::CloseDispute, &path, &Form::default(), key)
            .await
    }
}

/// Checks that an id is safe in a path: it has only letters, digits and underscores.
pub(super) fn path_segment(id: &str) -> Result<&str, Failure> {
    let fits = !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits {
        Ok(id)
    } else {
        Err(Failure::unsent(
            Class::Impossible,
            "an id that cannot be Stripe's",
        ))
    }
}
