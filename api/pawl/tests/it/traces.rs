//! One payment is one trace through all processes, from its POST to its messages on Kafka.

use contracts::id::PaymentId;
use uuid::Uuid;

use crate::collector::{Collector, Sent};
use crate::fleet::{Fleet, ask};
use crate::secrets::published;

const CLIENT_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The spans of this name, of which there must be so many.
fn named<'a>(spans: &'a [Sent], name: &str, count: usize) -> Vec<&'a Sent> {
    let found: Vec<&Sent> = spans.iter().filter(|sent| sent.span.name == name).collect();
    let all: Vec<_> = spans
        .iter()
        .map(|sent| (&sent.service, &sent.span.name))
        .collect();
    assert_eq!(found.len(), count, "{name} among {all:?}");
    found
}

// The collector answers while this waits for the processes to end.
#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_payment_bears_its_id_and_goes_through_every_process() {
    let (collector, address) = Collector::start().await;
    let mut fleet = Fleet::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &address),
        ("RUST_LOG", "warn"),
    ])
    .await;
    let pay = fleet
        .pay("pm_card_visa", "traced")
        .header("X-API-Key", &fleet.api_key)
        .header("traceparent", format!("00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"));
    let payment = ask(pay, 201).await;
    assert_eq!(payment["status"], "succeeded");
    let id: PaymentId = payment["id"].as_str().unwrap().parse().unwrap();
    let moves = 5.0;
    fleet
        .reaches("worker-service", "pawl_inbox_total", "", 2.0)
        .await;
    fleet
        .reaches("worker-service", "pawl_kafka_published_total", "", moves)
        .await;
    // The last spans are sent while the processes end.
    fleet.stop();

    let (trace, first) = (hex(id.uuid().as_bytes()), hex(&id.uuid().as_bytes()[8..]));
    let all = collector.spans();
    let spans: Vec<Sent> = all
        .iter()
        .filter(|sent| hex(&sent.span.trace_id) == trace)
        .cloned()
        .collect();
    accepted(&spans, &first);
    worked_on(&spans, &first);
    asked_for(&all, &trace, &first);

    let messages = published(&fleet, moves).await;
    let traceparent = format!("00-{trace}-{first}-01");
    // In the event, and in a header of the message.
    let in_events = format!("\"traceparent\":\"{traceparent}\"");
    assert_eq!(messages.matches(&in_events).count(), 5, "{messages}");
    assert_eq!(messages.matches(&traceparent).count(), 10, "{messages}");
}

/// The first span is the gateway's; its id follows from the payment's id, and it has no parent.
fn accepted(spans: &[Sent], first: &str) {
    let accepted = named(spans, "payment accepted", 1)[0];
    assert_eq!(
        (accepted.service.as_str(), hex(&accepted.span.span_id)),
        ("gateway", first.to_owned())
    );
    assert!(accepted.span.parent_span_id.is_empty());
    assert_eq!(hex(&accepted.span.links[0].trace_id), CLIENT_TRACE);
}

/// Jobs, their calls, webhooks and messages are its descendants.
fn worked_on(spans: &[Sent], first: &str) {
    for kind in ["create_intent", "confirm_intent"] {
        let job = named(spans, &format!("job {kind}"), 1)[0];
        assert_eq!(
            (job.service.as_str(), hex(&job.span.parent_span_id)),
            ("worker-service", first.to_owned())
        );
        assert!(job.attribute("job").starts_with("job_"));
        assert_eq!(
            (job.attribute("outcome"), job.attribute("try")),
            ("done".into(), "1".into())
        );
        let call = named(spans, &format!("stripe {kind}"), 1)[0];
        assert_eq!(call.span.parent_span_id, job.span.span_id);
        assert!(
            call.attribute("stripe.request_id").starts_with("req_"),
            "{call:?}"
        );
        assert_eq!(call.attribute("http.response.status_code"), "200");
    }
    let webhooks: Vec<&Sent> = spans
        .iter()
        .filter(|sent| sent.span.name == "webhook")
        .collect();
    assert!(webhooks.len() >= 2, "{webhooks:?}");
    let messages: Vec<&Sent> = spans
        .iter()
        .filter(|sent| sent.span.name.starts_with("publish "))
        .collect();
    assert_eq!(messages.len(), 5, "{messages:?}");
    named(spans, "publish payment.succeeded", 1);
    for sent in webhooks.into_iter().chain(messages) {
        assert_eq!(
            (sent.service.as_str(), hex(&sent.span.parent_span_id)),
            ("worker-service", first.to_owned())
        );
    }
}

/// The request belongs to its client's trace, and links to the payment's.
fn asked_for(all: &[Sent], trace: &str, first: &str) {
    let request = named(all, "POST /api/v1/payments", 1)[0];
    assert_eq!(hex(&request.span.trace_id), CLIENT_TRACE);
    assert_eq!(hex(&request.span.parent_span_id), CLIENT_SPAN);
    assert_eq!(request.attribute("http.response.status_code"), "201");
    let link = &request.span.links[0];
    assert_eq!(
        (hex(&link.trace_id), hex(&link.span_id)),
        (trace.to_owned(), first.to_owned())
    );
    // Health checks have no span.
    assert!(
        all.iter()
            .all(|sent| !sent.attribute("http.route").ends_with("/health"))
    );
    assert!(
        all.iter()
            .all(|sent| sent.span.trace_id != Uuid::nil().as_bytes())
    );
}
