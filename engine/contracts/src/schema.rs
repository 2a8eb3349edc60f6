//! Schemas of values that Rust holds as plain text, for the OpenAPI document: it says of them exactly what the services
//! accept and answer.

use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use workflows::{attempt, capture, dispute, edges, hold, money, payment, refund};

use crate::evidence::{FILES, TEXT_LENGTH, TEXTS};

macro_rules! schemas {
    ($($(#[$doc:meta])* $name:ident: $words:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some($words))
                    .build()
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

schemas! {
    /// The schema of a payment's status.
    PaymentStatus: payment::Status::ALL.iter().map(|status| status.as_str());
    /// The schema of an attempt's status.
    AttemptStatus: attempt::Status::ALL.iter().map(|status| status.as_str());
    /// The schema of a capture's status.
    CaptureStatus: capture::Status::ALL.iter().map(|status| status.as_str());
    /// The schema of whether a payment may be captured in several parts.
    Multicapture: capture::Multicapture::ALL.iter().map(|it| it.as_str());
    /// The schema of a refund's status.
    RefundStatus: refund::Status::ALL.iter().map(|status| status.as_str());
    /// The schema of a dispute's status.
    DisputeStatus: dispute::Status::ALL.iter().map(|status| status.as_str());
    /// The schema of what became of a dispute's money.
    DisputeFunds: or_none(dispute::Funds::ALL.iter().map(|state| state.as_str()));
    /// The schema of how far a dispute's evidence is.
    DisputeEvidence: or_none(dispute::Evidence::ALL.iter().map(|state| state.as_str()));
    /// The schema of what set a hold.
    HoldSource: hold::Source::ALL.iter().map(|source| source.as_str());
    /// The schema of a machine's name.
    Machine: edges::Machine::ALL.iter().map(|machine| machine.as_str());
    /// The schema of a currency.
    Currency: currencies();
}

/// The states of what need not exist yet.
fn or_none(states: impl Iterator<Item = &'static str>) -> impl Iterator<Item = &'static str> {
    std::iter::once(edges::NONE).chain(states)
}

/// There is no list of what `Money` takes but `Money` itself, so every three letters are asked once.
fn currencies() -> Vec<String> {
    let letters = || 'a'..='z';
    letters()
        .flat_map(|one| letters().map(move |two| (one, two)))
        .flat_map(|(one, two)| letters().map(move |three| String::from_iter([one, two, three])))
        .filter(|code| code.parse::<money::Currency>().is_ok())
        .collect()
}

/// The schema of `Idempotency-Key`: 1 to 255 visible ASCII characters. Spaces may stand between them.
#[derive(Debug)]
pub struct IdempotencyKey;

impl PartialSchema for IdempotencyKey {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~][ -~]*$"))
            .examples(["order-1042"])
            .build()
            .into()
    }
}

impl ToSchema for IdempotencyKey {}

/// Text that is stored and shown: no control characters but tab and the ends of lines.
const TEXT: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

/// The schema of a filter by metadata: the pairs that a payment may have.
#[derive(Debug)]
pub struct MetadataFilter;

impl PartialSchema for MetadataFilter {
    fn schema() -> RefOr<Schema> {
        metadata().into()
    }
}

impl ToSchema for MetadataFilter {}

/// The schema of a list of types of payment methods.
pub(crate) fn payment_method_types() -> Schema {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(50))
        .pattern(Some("^[a-z0-9_]+$"));
    ArrayBuilder::new()
        .description(Some(
            "The types of payment methods that the customer may pay with, by Stripe's names.",
        ))
        .items(name)
        .max_items(Some(20))
        .examples([serde_json::json!(["card"])])
        .build()
        .into()
}

/// The schema of [`SubmitEvidence::evidence`](crate::request::SubmitEvidence).
pub(crate) fn evidence() -> Schema {
    let text = || {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(TEXT_LENGTH))
            .pattern(Some(TEXT))
            .build()
    };
    let file = || {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(255))
            .pattern(Some("^(file_[A-Za-z0-9_]+)?$"))
            .build()
    };
    let texts = TEXTS.iter().map(|name| (*name, text()));
    let files = FILES.iter().map(|name| (*name, file()));
    let evidence = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Texts and ids of files by Stripe's names; an empty value removes one.",
        ))
        .examples([serde_json::json!({
            "product_description": "A red bicycle, size L",
            "customer_name": "Jenny Rosen",
            "receipt": "file_1PqVXh2eZvKYlo2C",
        })])
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    texts
        .chain(files)
        .fold(evidence, |schema, (name, field)| {
            schema.property(name, field)
        })
        .build()
        .into()
}

/// The schema of [`Metadata`](crate::request::Metadata).
pub(crate) fn metadata() -> Schema {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(40))
        .pattern(Some(
            r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\[\]]*$",
        ));
    let value = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(500))
        .pattern(Some(TEXT));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("Notes of the merchant."))
        .max_properties(Some(50))
        .property_names(Some(Schema::from(key)))
        .additional_properties(Some(Schema::from(value)))
        .build()
        .into()
}
