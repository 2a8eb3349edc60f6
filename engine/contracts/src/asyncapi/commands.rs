//! The messages of the topics of commands.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::add;
use crate::command::{CommandMessage, CommandType, RefusedCommand, SCHEMA_VERSION};
use crate::example;
use crate::request::{CancelPayment, CapturePayment, ConfirmPayment, CreatePayment, CreateRefund};

const CONTENT_TYPE: &str = "application/json";

/// The name of the message that says why a command was refused.
const REFUSED: &str = "pawl.command.refused";

/// The messages that are commands, and those that say why one was refused. Adds the schemas that they name.
pub(super) fn messages(
    schemas: &mut Vec<(String, RefOr<Schema>)>,
) -> serde_json::Result<(Map<String, Value>, Map<String, Value>)> {
    add::<CommandMessage>(schemas, CommandMessage::name().into_owned());
    add::<RefusedCommand>(schemas, RefusedCommand::name().into_owned());
    add::<CreatePayment>(schemas, CreatePayment::name().into_owned());
    add::<ConfirmPayment>(schemas, ConfirmPayment::name().into_owned());
    add::<CapturePayment>(schemas, CapturePayment::name().into_owned());
    add::<CancelPayment>(schemas, CancelPayment::name().into_owned());
    add::<CreateRefund>(schemas, CreateRefund::name().into_owned());
    let commands = CommandType::ALL.map(|r#type| {
        let name = format!("pawl.command.{}", r#type.as_str());
        let message = message(&name, &payload(r#type), &command(r#type));
        (name, message)
    });
    let refused = RefusedCommand {
        schema_version: SCHEMA_VERSION,
        command_id: Some("capture-order-1042".to_owned()),
        code: "unexpected_state".into(),
        param: None,
        detail: "A payment in status canceled does not allow this.".to_owned(),
        retryable: false,
        partition: 3,
        offset: 1042,
        refused_at: example::TIME,
        message: Some(command(CommandType::Capture).to_string()),
    };
    let schema = json!({ "$ref": format!("#/components/schemas/{}", RefusedCommand::name()) });
    let refused = message(REFUSED, &schema, &serde_json::to_value(refused)?);
    let refused = Map::from_iter([(REFUSED.to_owned(), refused)]);
    Ok((commands.into_iter().collect(), refused))
}

/// The schema of a command of this type.
fn payload(r#type: CommandType) -> Value {
    let required: &[&str] = match r#type {
        CommandType::Create => &["body"],
        _ => &["payment_id"],
    };
    json!({ "allOf": [
        { "$ref": format!("#/components/schemas/{}", CommandMessage::name()) },
        {
            "required": required,
            "properties": {
                "type": { "const": r#type },
                "body": { "$ref": format!("#/components/schemas/{}", r#type.body()) },
            },
        },
    ] })
}

/// A command of this type.
fn command(r#type: CommandType) -> Value {
    let event = example::event_id();
    let account = infra::id::AccountId::from_uuid(event.payment.uuid());
    let body = match r#type {
        CommandType::Create => json!({
            "amount": 1099,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": true,
            "reference": "order-1042",
        }),
        CommandType::Confirm => json!({ "payment_method": "pm_card_visa" }),
        CommandType::Capture => json!({ "amount": 1099 }),
        CommandType::Cancel => json!({ "reason": "requested_by_customer" }),
        CommandType::Refund => json!({ "amount": 99 }),
    };
    let mut command = json!({
        "schema_version": SCHEMA_VERSION,
        "id": format!("{}-order-1042", r#type.as_str()),
        "account_id": account,
        "type": r#type,
        "body": body,
    });
    if r#type != CommandType::Create {
        command["payment_id"] = json!(event.payment);
    }
    command
}

fn message(name: &str, payload: &Value, example: &Value) -> Value {
    json!({
        "name": name,
        "contentType": CONTENT_TYPE,
        "payload": payload,
        "examples": [{ "payload": example }],
    })
}
