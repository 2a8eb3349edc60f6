//! The parameters of calls: the idempotency key and the form.

use std::borrow::Cow;

use contracts::id::{PaymentId, RefundId};
use infra::id::AccountId;
use uuid::Uuid;

use crate::request::RequestMark;

/// The idempotency key of one call, the same in every try. No POST is sent without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A key that Stripe would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Accepts 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// [`InvalidKey`] for everything else.
    pub fn parse(key: impl Into<String>) -> Result<Self, InvalidKey> {
        let key = key.into();
        let fits =
            (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(key)) } else { Err(InvalidKey) }
    }

    /// The value of the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `POST /v1/payment_intents`: an intent without confirmation, so that a lost answer costs nothing.
#[derive(Clone, Debug)]
pub struct CreateIntent {
    /// Our payment; Stripe keeps it as `metadata[payment_id]`, by which the intent is found if the answer was lost.
    pub payment: Uuid,
    /// The merchant; kept as `metadata[account_id]`.
    pub account: Uuid,
    /// In the unit Stripe uses for the currency.
    pub amount: i64,
    /// ISO 4217 in lower case.
    pub currency: String,
    /// Whether the payment is captured by a separate call.
    pub manual_capture: bool,
    /// Whether several captures are asked for, where Stripe has them for the card.
    pub multicapture: bool,
    /// A payment method to attach.
    pub payment_method: Option<String>,
    /// The types of payment methods that the customer may pay with; empty where Stripe's dashboard decides.
    pub payment_method_types: Vec<String>,
    /// Whether methods that send the customer elsewhere are allowed. They need a return URL at the confirmation; Stripe refuses to confirm without one unless they are excluded here.
    pub redirects: bool,
    /// Shown to the customer.
    pub description: Option<String>,
    /// Appended to the account's descriptor on the statement (`statement_descriptor_suffix`: Stripe refuses the whole descriptor for cards).
    pub statement_descriptor: Option<String>,
    /// Where Stripe sends the receipt.
    pub receipt_email: Option<String>,
    /// The client's request; kept in `metadata`.
    pub request: Option<RequestMark>,
}

/// `POST /v1/payment_intents/{id}/confirm`.
#[derive(Clone, Debug, Default)]
pub struct ConfirmIntent {
    /// The method to use; without it, the attached one.
    pub payment_method: Option<String>,
    /// Where Stripe sends the customer back to.
    pub return_url: Option<String>,
}

/// `POST /v1/refunds`.
#[derive(Clone, Debug)]
pub struct CreateRefund {
    /// Our refund; Stripe keeps it as `metadata[refund_id]`.
    pub refund: Uuid,
    /// Our payment; kept as `metadata[payment_id]`.
    pub payment: Uuid,
    /// The merchant; kept as `metadata[account_id]`.
    pub account: Uuid,
    /// The intent that is refunded.
    pub intent_id: String,
    /// The amount to refund.
    pub amount: i64,
    /// `duplicate`, `fraudulent` or `requested_by_customer`, the reasons that Stripe accepts.
    pub reason: Option<String>,
    /// The client's request; kept in `metadata`.
    pub request: Option<RequestMark>,
}

/// A range of creation times, both ends included, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The first second.
    pub from: i64,
    /// The last second.
    pub to: i64,
}

/// Names and values of a form or a query, in the order in which they are sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(Cow<'static, str>, String)>);

impl Form {
    pub(super) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &(impl ToString + ?Sized),
    ) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    pub(super) fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, &value),
            None => self,
        }
    }

    /// The mark of a client's request.
    fn request(self, mark: Option<&RequestMark>) -> Self {
        let Some(mark) = mark else {
            return self;
        };
        self.with("metadata[idempotency_key]", &mark.idempotency_key)
            .with("metadata[body_hash]", &mark.body_hash)
            .maybe("metadata[reference]", mark.reference.as_deref())
    }

    pub(super) fn pairs(&self) -> &[(Cow<'static, str>, String)] {
        &self.0
    }
}

impl CreateIntent {
    pub(super) fn form(&self) -> Form {
        let capture = if self.manual_capture {
            "manual"
        } else {
            "automatic"
        };
        self.methods()
            .with("amount", &self.amount)
            .with("currency", &self.currency)
            .with("capture_method", capture)
            .maybe(
                "payment_method_options[card][request_multicapture]",
                self.multicapture.then_some("if_available"),
            )
            .maybe("payment_method", self.payment_method.as_deref())
            .maybe("description", self.description.as_deref())
            .maybe(
                "statement_descriptor_suffix",
                self.statement_descriptor.as_deref(),
            )
            .maybe("receipt_email", self.receipt_email.as_deref())
            .with("metadata[payment_id]", &PaymentId::from_uuid(self.payment))
            .with("metadata[account_id]", &AccountId::from_uuid(self.account))
            .request(self.request.as_ref())
            .with(EXPAND, LATEST_CHARGE)
    }
}

impl CreateIntent {
    /// The parameters that say how the customer may pay.
    fn methods(&self) -> Form {
        let listed = self.payment_method_types.iter();
        let form = listed.fold(Form::default(), |form, kind| {
            form.with("payment_method_types[]", kind)
        });
        if !self.payment_method_types.is_empty() {
            return form;
        }
        form.with("automatic_payment_methods[enabled]", &true)
            .maybe(
                "automatic_payment_methods[allow_redirects]",
                (!self.redirects).then_some("never"),
            )
    }
}

impl ConfirmIntent {
    pub(super) fn form(&self) -> Form {
        Form::default()
            .maybe("payment_method", self.payment_method.as_deref())
            .maybe("return_url", self.return_url.as_deref())
            .with(EXPAND, LATEST_CHARGE)
    }
}

impl CreateRefund {
    pub(super) fn form(&self) -> Form {
        Form::default()
            .with("payment_intent", &self.intent_id)
            .with("amount", &self.amount)
            .maybe("reason", self.reason.as_deref())
            .with("metadata[refund_id]", &RefundId::from_uuid(self.refund))
            .with("metadata[payment_id]", &PaymentId::from_uuid(self.payment))
            .with("metadata[account_id]", &AccountId::from_uuid(self.account))
            .request(self.request.as_ref())
    }
}

/// The parameter that makes Stripe send an object in place of its id.
pub(super) const EXPAND: &str = "expand[]";

/// The charge has `capture_before`, which the intent does not have.
pub(super) const LATEST_CHARGE: &str = "latest_charge";
