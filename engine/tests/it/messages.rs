//! What Kafka and merchants really get is what docs/asyncapi.json and docs/openapi.json say: payments of every outcome,
//! and each of their messages held against the schema of its type.

use std::collections::BTreeSet;

use contracts::id::PaymentId;
use contracts::webhook::EVENT_TYPES;
use engine::Command;
use jsonschema::Validator;
use serde_json::{Value, json};
use uuid::Uuid;
use workflows::payment::CaptureMethod;

use crate::authorizations::ends_in;
use crate::deliveries::listen_to;
use crate::disputes::{decide, dispute, evidence, only};
use crate::receiver::Receiver;
use crate::relay::{Kafka, Running, read};
use crate::world::World;

/// Types that no run of payments leads to.
const UNSEEN: [&str; 10] = [
    // Edges that only correct what was reported wrong before.
    "attempt.updated",
    "payment.updated",
    "capture.updated",
    "dispute.updated",
    "dispute.inquiry_needs_response",
    // The simulator captures at once.
    "capture.submitted",
    // The simulator captures what Stripe accepted.
    "capture.failed",
    // The simulator has cards and bank accounts of the USA, whose refunds ask nothing of the customer.
    "refund.canceled",
    "refund.requires_action",
    "refund.updated",
];

/// One of the two documents.
struct Document(Value);

impl Document {
    fn open(name: &str) -> Self {
        let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    /// A validator of this schema within the document, which also refuses the fields that the schema does not name.
    fn exact(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["unevaluatedProperties"] = json!(false);
        schema["components"] = self.0["components"].clone();
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    }

    /// Checks the message against the schema of its type, and its data and its error against theirs without any field more.
    fn check(&self, schema: &Value, data: &str, message: &Value) {
        let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
        assert_valid(&self.exact(schema), message);
        assert_valid(&self.exact(&reference(data)), &message["data"]);
        if message["data"]["error"].is_object() {
            assert_valid(
                &self.exact(&reference("ErrorView")),
                &message["data"]["error"],
            );
        }
    }
}

fn assert_valid(validator: &Validator, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{value:#}");
}

/// The payment with its newest version.
async fn versions(world: &World, payments: &[Uuid]) -> Vec<(Uuid, i64)> {
    let mut versions = Vec::new();
    for payment in payments {
        versions.push((*payment, world.view(*payment).await.version));
    }
    versions
}

/// Applies what Stripe has sent so far.
async fn apply_webhooks(world: &World) {
    for event in world.events().await {
        world.deliver(&event).await;
    }
    world.drain().await;
}

fn refund(amount: Option<i64>) -> Command {
    Command::Refund {
        amount,
        reason: None,
    }
}

async fn intent(world: &World, payment: Uuid) -> String {
    world.view(payment).await.intent_id.unwrap()
}

async fn at_bank(world: &World, payment: Uuid, what: &str) {
    let intent = intent(world, payment).await;
    world
        .post(&format!("/_sim/payment_intents/{intent}/{what}"), &[])
        .await;
}

/// Payments of every method, and one that Stripe refuses to make.
async fn order_in_every_way(world: &World) -> Vec<Uuid> {
    let mut payments = Vec::new();
    for method in [
        "pm_card_visa",
        "pm_card_chargeDeclined",
        "pm_card_threeDSecure2Required",
        "pm_card_threeDSecure2Required",
        "pm_usBankAccount_processing",
        "pm_usBankAccount_processing",
        "pm_card_pendingRefund",
        "pm_card_refundFail",
        "pm_nothing_of_this_name",
    ] {
        payments.push(world.create(method).await);
    }
    for (method, capture_method, confirm) in [
        (None, CaptureMethod::Automatic, false),
        (Some("pm_card_visa"), CaptureMethod::Automatic, false),
        (Some("pm_card_visa"), CaptureMethod::Manual, true),
        (Some("pm_card_visa"), CaptureMethod::Manual, true),
        (Some("pm_card_visa"), CaptureMethod::Manual, true),
    ] {
        let mut order = World::order("pm_card_visa");
        order.payment_method = method.map(str::to_owned);
        order.capture_method = capture_method;
        order.confirm = confirm;
        order.return_url = order.return_url.filter(|_| confirm);
        order.notes.reference = Some(format!("order-{}", payments.len()));
        order.notes.metadata = [("shop".to_owned(), "nörth \"1\"".to_owned())].into();
        let created = world
            .engine
            .create(order, world.key("/api/v1/payments"))
            .await;
        payments.push(created.unwrap().payment);
    }
    // One that Stripe refuses to make.
    let mut order = World::order("pm_card_visa");
    order.notes.statement_descriptor = Some("<>".to_owned());
    let created = world
        .engine
        .create(order, world.key("/api/v1/payments"))
        .await;
    payments.push(created.unwrap().payment);
    world.drain().await;
    payments
}

/// Payments that end at once, at the bank, by a customer, by a client, or not at all.
pub(crate) async fn pay_in_every_way(world: &World) -> Vec<Uuid> {
    let payments = order_in_every_way(world).await;
    at_bank(world, payments[2], "authenticate").await;
    at_bank(world, payments[3], "fail_authentication").await;
    at_bank(world, payments[4], "succeed").await;
    at_bank(world, payments[5], "fail").await;
    at_bank(world, payments[13], "expire").await;
    apply_webhooks(world).await;
    ends_in(world, payments[11], 3_600).await;
    world.fire_timers("authorization").await;
    world
        .command(payments[10], Command::Cancel { reason: None })
        .await
        .unwrap();
    world
        .command(
            payments[11],
            Command::Capture {
                amount: Some(700),
                is_final: true,
            },
        )
        .await
        .unwrap();
    world
        .command(payments[12], Command::Cancel { reason: None })
        .await
        .unwrap();
    world.drain().await;
    for (payment, amount) in [
        (0, Some(300)),
        (0, None),
        (6, None),
        (7, None),
        (11, Some(1)),
    ] {
        world
            .command(payments[payment], refund(amount))
            .await
            .unwrap();
        world.drain().await;
    }
    // The bank sends the money of a refund back.
    let intent = intent(world, payments[7]).await;
    let refunds = world
        .get(&format!("/v1/refunds?payment_intent={intent}"))
        .await;
    let refund = refunds["data"][0]["id"].as_str().unwrap();
    world
        .post(&format!("/_sim/refunds/{refund}/fail"), &[])
        .await;
    apply_webhooks(world).await;
    payments
}

/// Payments that their customers dispute, with every end of a dispute, and one that a bank warns of.
async fn dispute_in_every_way(world: &World) -> Vec<Uuid> {
    let mut payments = Vec::new();
    for _ in 0..5 {
        payments.push(world.create("pm_card_visa").await);
    }
    world.drain().await;
    let warned = json!({"payment_intent": intent(world, payments[4]).await});
    world.simulate("/_sim/fraud_warnings", &warned).await;
    apply_webhooks(world).await;
    let inquiry = "warning_needs_response";
    let mut disputes = Vec::new();
    for (at, status) in [inquiry, inquiry, "needs_response", inquiry, inquiry]
        .iter()
        .enumerate()
    {
        disputes.push(dispute(world, &intent(world, payments[at]).await, status).await);
    }
    apply_webhooks(world).await;
    decide(world, &disputes[1], "escalate").await;
    sqlx::query("update dispute set due_by = extract(epoch from now())::int8 + 3600")
        .execute(world.database.pool())
        .await
        .unwrap();
    world.fire_timers("evidence").await;
    // Stripe knows no such file.
    let mut refused = evidence(&only(world, payments[1]).await, true);
    if let Command::SubmitEvidence { evidence, .. } = &mut refused {
        evidence.insert("receipt".to_owned(), "upload_1".to_owned());
    }
    world.command(payments[1], refused).await.unwrap();
    world.drain().await;
    for (at, submit) in [(0, true), (1, false), (1, true)] {
        let sent = evidence(&only(world, payments[at]).await, submit);
        world.command(payments[at], sent).await.unwrap();
        world.drain().await;
    }
    let accepted = only(world, payments[2]).await.id.uuid();
    let accept = Command::AcceptDispute { dispute: accepted };
    world.command(payments[2], accept).await.unwrap();
    world.drain().await;
    for (at, how) in [(0, "close_inquiry"), (1, "win"), (3, "prevent")] {
        decide(world, &disputes[at], how).await;
    }
    payments
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_to_kafka_and_to_merchants_is_as_the_documents_say() {
    let openapi = Document::open("openapi.json");
    let asyncapi = Document::open("asyncapi.json");
    let world = World::start().await;
    let receiver = Receiver::start();
    listen_to(&world, &receiver, &["*"]).await;
    world
        .fault(json!([{"fault": "release_refund", "probability": 1}]))
        .await;
    let mut payments = pay_in_every_way(&world).await;
    payments.extend(dispute_in_every_way(&world).await);
    apply_webhooks(&world).await;
    for view in [payments[6], payments[7]] {
        let view = world.view(view).await;
        assert_eq!(view.status, "succeeded");
    }

    let mut seen = BTreeSet::new();
    for got in receiver.got() {
        let webhook = &openapi.0["webhooks"][got.kind()]["post"]["requestBody"];
        let schema = &webhook["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{} is not described", got.kind());
        openapi.check(schema, "WebhookData", &got.body);
        seen.insert(got.kind().to_owned());
    }
    let kafka = Kafka::start();
    let relay = Running::start(world.database.pool(), &kafka.brokers);
    let mut published = BTreeSet::new();
    for (payment, version) in versions(&world, &payments).await {
        for (_, message) in &read(&kafka.brokers, &[payment], version).await[&payment] {
            let event: Value = serde_json::from_slice(message).unwrap();
            let name = event["type"].as_str().unwrap();
            let schema = &asyncapi.0["components"]["messages"][name]["payload"];
            assert!(schema.is_object(), "{name} is not described");
            asyncapi.check(schema, "EventData", &event);
            assert_eq!(event["subject"], PaymentId::from(payment).to_string());
            published.insert(name.trim_start_matches("pawl.").to_owned());
        }
    }
    relay.stop().await;
    assert_eq!(published, seen, "Kafka and merchants get the same events");
    let expected = EVENT_TYPES.iter().filter(|name| !UNSEEN.contains(name));
    assert_eq!(seen, expected.map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_example_of_the_documents_has_the_type_that_it_stands_for() {
    let openapi = Document::open("openapi.json");
    let asyncapi = Document::open("asyncapi.json");
    for name in EVENT_TYPES {
        let body =
            &openapi.0["webhooks"][name]["post"]["requestBody"]["content"]["application/json"];
        openapi.check(&body["schema"], "WebhookData", &body["example"]);
        assert_eq!(body["example"]["type"], name);
        let message = &asyncapi.0["components"]["messages"][format!("pawl.{name}")];
        let example = &message["examples"][0]["payload"];
        asyncapi.check(&message["payload"], "EventData", example);
    }
    let withheld = &asyncapi.0["components"]["messages"]["pawl.event.withheld"];
    asyncapi.check(
        &withheld["payload"],
        "Withheld",
        &withheld["examples"][0]["payload"],
    );
    let messages = asyncapi.0["components"]["messages"].as_object().unwrap();
    let is_command = |name: &&String| name.starts_with("pawl.command.");
    assert_eq!(messages.keys().filter(is_command).count(), 6);
    for (_, message) in messages.iter().filter(|(name, _)| is_command(name)) {
        let example = &message["examples"][0]["payload"];
        assert_valid(&asyncapi.exact(&message["payload"]), example);
    }
}
