//! Stripe's error answers.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::objects::failure;
use crate::objects::failure::Failure;

/// An error answer in Stripe's shape, and whether it is saved under its idempotency key.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// True when execution had begun, so that the answer is saved under its idempotency key.
    pub(crate) executed: bool,
    /// Value of `Stripe-Should-Retry`, absent when Stripe leaves it to the client.
    pub(crate) should_retry: Option<bool>,
    details: Box<Details>,
}

#[derive(Debug, Default, Serialize)]
struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    advice_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_url: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_advice_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_decline_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<Box<RawValue>>,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        let details = Details {
            kind,
            message: message.into(),
            ..Details::default()
        };
        Self {
            status,
            executed: false,
            should_retry: Some(false),
            details: Box::new(details),
        }
    }

    /// A request that no state of the account would make right: 400, not saved.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// An invalid parameter: 400 with `code` and `param`, not saved.
    pub(crate) fn parameter(code: &str, param: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).code(code).at(param)
    }

    /// A parameter that is no integer or outside its bounds: 400 `parameter_invalid_integer`, not saved.
    pub(crate) fn integer(param: &str, message: impl Into<String>) -> Self {
        Self::parameter("parameter_invalid_integer", param, message)
    }

    /// A required parameter that is not given: 400 `parameter_missing`, not saved.
    pub(crate) fn missing_param(param: &str) -> Self {
        let message = format!("Missing required param: {param}.");
        Self::parameter("parameter_missing", param, message)
    }

    /// An unknown object named by `param`: 404 `resource_missing`, not saved.
    pub(crate) fn missing(kind: &str, id: &str, param: &str) -> Self {
        let mut refusal =
            Self::parameter("resource_missing", param, format!("No such {kind}: '{id}'"));
        refusal.status = 404;
        refusal
    }

    /// A request that the state of its object forbids: 400 with `code`, saved.
    pub(crate) fn state(code: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).code(code).executed()
    }

    /// A declined card: 402, saved.
    pub(crate) fn card(failure: &Failure) -> Self {
        let mut refusal = Self::new(402, "card_error", failure.message.as_str())
            .code(&failure.code)
            .executed();
        let details = &mut refusal.details;
        details.advice_code.clone_from(&failure.advice_code);
        details.decline_code.clone_from(&failure.decline_code);
        details
            .network_advice_code
            .clone_from(&failure.network_advice_code);
        details
            .network_decline_code
            .clone_from(&failure.network_decline_code);
        refusal
    }

    /// A missing, malformed or live key: 401.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// A restricted key that lacks the right for a route: 403.
    pub(crate) fn forbidden(route: &str) -> Self {
        let message = format!(
            "The provided key does not have the required permissions for this endpoint ({route})."
        );
        Self::new(403, "invalid_request_error", message).code("more_permissions_required")
    }

    /// A path that Stripe does not have: 404.
    pub(crate) fn unknown_path(method: &str, path: &str) -> Self {
        let mut refusal = Self::invalid(format!("Unrecognized request URL ({method}: {path})."));
        refusal.status = 404;
        refusal
    }

    /// The same idempotency key with other parameters: 400 `idempotency_error`.
    pub(crate) fn idempotency(key: &str) -> Self {
        Self::new(
            400,
            "idempotency_error",
            format!(
                "Keys for idempotent requests can only be used with the same parameters they were \
                 first used with. Try using a key other than '{key}' if you meant to execute a \
                 different request."
            ),
        )
    }

    /// An idempotency key whose first request still runs: 409, to be retried.
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotency Key ({key})."
        );
        let mut refusal =
            Self::new(409, "idempotency_error", message).code("idempotency_key_in_use");
        refusal.should_retry = Some(true);
        refusal
    }

    /// An object that another request has locked: 409 `lock_timeout`, to be retried.
    pub(crate) fn lock_timeout() -> Self {
        let message = "This object cannot be accessed right now because another API request or \
                       Stripe process is currently accessing it.";
        let mut refusal = Self::new(409, "invalid_request_error", message).code("lock_timeout");
        refusal.should_retry = Some(true);
        refusal
    }

    /// Too many requests: 429 `rate_limit`, before the idempotency layer.
    pub(crate) fn rate_limit() -> Self {
        let mut refusal = Self::new(429, "invalid_request_error", "Request rate limit exceeded.")
            .code("rate_limit");
        refusal.should_retry = Some(true);
        refusal
    }

    /// An error inside Stripe: `status` from 500 on.
    pub(crate) fn internal(status: u16, should_retry: Option<bool>) -> Self {
        let mut refusal = Self::new(
            status,
            "api_error",
            "Sorry! There was an error while talking to our servers.",
        );
        refusal.should_retry = should_retry;
        refusal
    }

    /// The same refusal with `param`.
    pub(crate) fn at(mut self, param: &str) -> Self {
        self.details.param = Some(param.to_owned());
        self
    }

    /// The same refusal with the id of the charge that failed.
    pub(crate) fn charge(mut self, id: &str) -> Self {
        self.details.charge = Some(id.to_owned());
        self
    }

    /// The same refusal with the intent as it now is.
    pub(crate) fn intent(mut self, intent: Box<RawValue>) -> Self {
        self.details.payment_intent = Some(intent);
        self
    }

    fn executed(mut self) -> Self {
        self.executed = true;
        self
    }

    fn code(mut self, code: &str) -> Self {
        self.details.doc_url = Some(failure::doc_url(code));
        self.details.code = Some(code.to_owned());
        self
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a Details,
        }
        let body = Body {
            error: &self.details,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}
