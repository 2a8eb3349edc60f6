//! What Kafka carries to Pawl: commands on the topic `pawl.commands.v1`, and on `pawl.commands.v1.dead` those that were refused.

use std::borrow::Cow;

use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::id::PaymentId;

/// The topic of commands.
pub const TOPIC: &str = "pawl.commands.v1";

/// The topic of commands that were refused, each with the reason.
pub const DEAD_TOPIC: &str = "pawl.commands.v1.dead";

/// The version of [`CommandMessage`] and [`RefusedCommand`]. It rises when a field changes its meaning or goes.
pub const SCHEMA_VERSION: i32 = 1;

/// What a command does: each means what the route of the API with this meaning does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandType {
    /// `POST /api/v1/payments`.
    Create,
    /// `POST /api/v1/payments/{id}/confirm`.
    Confirm,
    /// `POST /api/v1/payments/{id}/capture`.
    Capture,
    /// `POST /api/v1/payments/{id}/cancel`.
    Cancel,
    /// `POST /api/v1/payments/{id}/refunds`.
    Refund,
}

impl CommandType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Confirm,
        Self::Capture,
        Self::Cancel,
        Self::Refund,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Confirm => "confirm",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }

    /// The name of the schema of the body.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self {
            Self::Create => "CreatePayment",
            Self::Confirm => "ConfirmPayment",
            Self::Capture => "CapturePayment",
            Self::Cancel => "CancelPayment",
            Self::Refund => "CreateRefund",
        }
    }
}

/// A command: a message of the topic, in JSON. A field that is not named here is refused, as in the bodies of the API.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandMessage {
    /// The version of this description: 1.
    #[schema(minimum = 1, maximum = 1)]
    pub schema_version: i32,
    /// Names what is meant; the same in every repetition. It is the idempotency key: the API has the same command under the
    /// same key, path and bytes of the body.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]([ -~]{0,253}[!-~])?$"
    )]
    pub id: String,
    /// The merchant that it acts for. Whoever may write to the topic may act for every merchant.
    pub account_id: AccountId,
    /// What is to be done.
    pub r#type: CommandType,
    /// The payment; absent for `create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// The body of the request of the API, kept byte for byte; an empty object when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub body: Option<Box<RawValue>>,
}

/// A command that was refused: nothing was written for it. It is keyed as the command was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedCommand {
    /// The version of this description.
    #[schema(minimum = 1)]
    pub schema_version: i32,
    /// The id of the command; nothing if it could not be read.
    pub command_id: Option<String>,
    /// What programs act on: a code of the API.
    pub code: Cow<'static, str>,
    /// The field at fault.
    pub param: Option<String>,
    /// What is wrong, in a sentence.
    pub detail: String,
    /// Whether the same command, sent again later, may be accepted.
    pub retryable: bool,
    /// The partition of the command.
    #[schema(minimum = 0)]
    pub partition: i32,
    /// The offset of the command in its partition.
    #[schema(minimum = 0)]
    pub offset: i64,
    /// When it was refused.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub refused_at: OffsetDateTime,
    /// The command as it came; nothing if it is no text, is over 64 KiB, or may hold card data.
    pub message: Option<String>,
}
