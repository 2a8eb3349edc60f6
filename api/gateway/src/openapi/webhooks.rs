//! The webhooks of merchants in the description of the API: one for each type of event.

use contracts::example;
use contracts::webhook::{EVENT_TYPES, Message, MessageData, TEST_EVENT};
use infra::id::AccountId;
use serde_json::json;
use utoipa::ToSchema as _;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, Paths,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{Content, Object, ObjectBuilder, Ref, Required, Response, Schema, Type};
use uuid::Uuid;

/// What an endpoint of a merchant is sent, by the type of the event.
pub(super) fn all() -> Paths {
    let mut webhooks = Paths::new();
    for event_type in EVENT_TYPES.into_iter().chain([TEST_EVENT]) {
        if let Some(item) = webhook(event_type) {
            webhooks.paths.insert(event_type.to_owned(), item);
        }
    }
    webhooks
}

fn webhook(event_type: &str) -> Option<PathItem> {
    let operation = OperationBuilder::new()
        .tag("events")
        .operation_id(Some(format!("on_{}", event_type.replace('.', "_"))))
        .summary(Some(event_type))
        .description(Some(if event_type == TEST_EVENT {
            "Sent once to an endpoint when its merchant asks for it; its payment does not exist."
        } else {
            "Sent to the endpoints whose `enabled_events` name it."
        }))
        .parameters(Some([
            header("webhook-id", "The delivery. It is the same in every try: deduplicate by it"),
            header("webhook-timestamp", "When the try was made, in seconds since 1970"),
            header("webhook-signature", "`v1,` and the signature of `webhook-id.webhook-timestamp.body`, one for each valid secret"),
        ]))
        .request_body(Some(body(event_type)?))
        .response("2XX", Response::new("The endpoint has the event"))
        .response("410", Response::new("The endpoint is disabled and gets no more events"))
        .response("default", Response::new("The event is sent again later, eight times in all"));
    Some(PathItem::new(HttpMethod::Post, operation))
}

fn header(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}

fn body(event_type: &str) -> Option<RequestBody> {
    let data = if event_type == TEST_EVENT {
        example::test(Uuid::nil().into(), AccountId::from_uuid(Uuid::nil()))?
    } else {
        example::data(event_type)?
    };
    let machine = data.machine.clone();
    let example = Message {
        r#type: event_type.to_owned(),
        timestamp: example::TIME,
        data: MessageData {
            event_id: example::event_id(),
            endpoint_id: Uuid::from_u128(0x019a_b6b8_1f40_7d11_8e21_b7a3_90c4_55d2).into(),
            sequence: 4,
            event: data,
        },
    };
    let word = |word: &str| {
        let word = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some([word]));
        Schema::from(word.build())
    };
    let only = ObjectBuilder::new()
        .property("type", word(event_type))
        .property(
            "data",
            ObjectBuilder::new()
                .property("machine", word(&machine))
                .build(),
        );
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(Message::name()))
        .item(only);
    let content = Content::builder()
        .schema(Some(Schema::from(schema)))
        .example(Some(json!(example)))
        .build();
    let body = RequestBodyBuilder::new()
        .content("application/json", content)
        .required(Some(Required::True));
    Some(body.build())
}
