//! From a message to what the engine is asked.

use contracts::command::{CommandMessage, CommandType, SCHEMA_VERSION};
use contracts::id::PaymentId;
use contracts::request::{
    CancelPayment, CapturePayment, ConfirmPayment, CreatePayment, CreateRefund,
};
use infra::http::code::{BODY_TOO_LARGE, MISSING_FIELD};
use infra::http::problem::Problem;
use infra::http::{BODY_LIMIT, RequestError};
use rdkafka::Message;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::body;
use crate::body::Checked;
use crate::request::{Command, Idempotency, NewPayment};

/// The method of the requests that mean the same.
const METHOD: &str = "POST";

/// A message as Kafka has it. Of one that is too large only the place is kept.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Payload,
}

/// The content of a message.
#[derive(Debug)]
pub(super) enum Payload {
    Bytes(Vec<u8>),
    TooLarge,
}

impl Received {
    pub(super) fn of(message: &impl Message) -> Self {
        let payload = message.payload().unwrap_or_default();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            payload: if payload.len() > BODY_LIMIT {
                Payload::TooLarge
            } else {
                Payload::Bytes(payload.to_vec())
            },
        }
    }
}

/// A message that was read.
#[derive(Debug)]
pub(super) struct Read {
    /// The type of the command.
    pub(super) name: &'static str,
    pub(super) idempotency: Idempotency,
    pub(super) action: Action,
}

/// What the message asks for.
#[derive(Debug)]
pub(super) enum Action {
    Create(Box<NewPayment>),
    Command(Uuid, Command),
}

/// Reads and checks a message, by the rules of the API's bodies.
pub(super) fn read(received: &Received) -> Result<Read, Box<Problem>> {
    let Payload::Bytes(bytes) = &received.payload else {
        let detail = "The message is over 64 KiB.";
        return Err(Box::new(Problem::new(BODY_TOO_LARGE, detail)));
    };
    parse(bytes).map_err(|error| Box::new(error.into()))
}

fn parse(bytes: &[u8]) -> Result<Read, RequestError> {
    let message: CommandMessage = body::parse(bytes)?;
    if message.schema_version != SCHEMA_VERSION {
        return Err(RequestError::field(
            "schema_version",
            format!("Commands of version {SCHEMA_VERSION} are understood."),
        ));
    }
    body::check_key("id", &message.id)?;
    let raw = message.body.as_ref().map_or("{}", |raw| raw.get());
    let (path, action) = match (message.r#type, message.payment_id) {
        (CommandType::Create, None) => {
            let request = checked::<CreatePayment>(raw)?;
            let new = body::new_payment(request).map_err(in_body)?;
            ("/api/v1/payments".to_owned(), Action::Create(Box::new(new)))
        }
        (CommandType::Create, Some(_)) => {
            return Err(RequestError::field(
                "payment_id",
                "A payment that is created has no id yet.",
            ));
        }
        (_, None) => {
            return Err(RequestError::new(
                MISSING_FIELD,
                "payment_id",
                "This field must be given.",
            ));
        }
        (r#type, Some(payment)) => existing(r#type, payment, raw)?,
    };
    Ok(Read {
        name: message.r#type.as_str(),
        idempotency: Idempotency {
            account: message.account_id.uuid(),
            method: METHOD.to_owned(),
            key: message.id,
            body_hash: body::body_hash(METHOD, &path, raw.as_bytes()),
            path,
        },
        action,
    })
}

/// The path of the request that means the same as a command to a payment, and the command.
fn existing(
    r#type: CommandType,
    payment: PaymentId,
    raw: &str,
) -> Result<(String, Action), RequestError> {
    let (word, command) = match r#type {
        CommandType::Confirm => ("confirm", checked::<ConfirmPayment>(raw)?.into()),
        CommandType::Capture => ("capture", checked::<CapturePayment>(raw)?.into()),
        CommandType::Cancel => ("cancel", checked::<CancelPayment>(raw)?.into()),
        CommandType::Create | CommandType::Refund => {
            ("refunds", checked::<CreateRefund>(raw)?.into())
        }
    };
    let path = format!("/api/v1/payments/{payment}/{word}");
    Ok((path, Action::Command(payment.uuid(), command)))
}

fn checked<T: DeserializeOwned + Checked>(raw: &str) -> Result<T, RequestError> {
    let request: T = body::parse(raw.as_bytes()).map_err(in_body)?;
    request.check().map_err(in_body)?;
    Ok(request)
}

/// The fault of a field of the body, by its path in the message.
fn in_body(mut error: RequestError) -> RequestError {
    error.param = if error.param.is_empty() {
        "body".to_owned()
    } else {
        format!("body.{}", error.param)
    };
    error
}
