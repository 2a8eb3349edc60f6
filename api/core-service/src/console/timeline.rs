//! What happened to a payment, in one order.

use contracts::operations::{JobTryView, JobView, StripeCallView, TimelineEntry, TimelineItem};
use contracts::view::EventView;

use super::format::{Badge, Moment};

/// One moment of a payment, as its page shows it.
pub(super) struct Entry {
    /// The kind of moment, which the stylesheet knows.
    pub(super) kind: &'static str,
    pub(super) title: String,
    /// Where more about it stands.
    pub(super) link: Option<String>,
    pub(super) badge: Option<Badge>,
    pub(super) at: Moment,
    pub(super) detail: String,
}

impl Entry {
    fn new(kind: &'static str, title: String, at: Moment) -> Self {
        Self {
            kind,
            title,
            link: None,
            badge: None,
            at,
            detail: String::new(),
        }
    }
}

/// The moments as the page shows them, the newest first.
pub(super) fn entries(entries: Vec<TimelineEntry>) -> Vec<Entry> {
    entries.into_iter().rev().map(entry).collect()
}

fn entry(entry: TimelineEntry) -> Entry {
    let at = Moment(entry.at);
    match entry.entry {
        TimelineItem::Transition { transition } => moved(transition, at),
        TimelineItem::KafkaMessage {
            event_id,
            shard,
            acknowledged,
        } => Entry {
            badge: Some(Badge(
                if acknowledged { "done" } else { "pending" }.to_owned(),
            )),
            detail: format!("{event_id} · shard {shard}"),
            ..Entry::new("message", "Kafka message".to_owned(), at)
        },
        TimelineItem::JobTry {
            job_id,
            kind,
            r#try,
            ..
        } => Entry {
            link: Some(format!("/jobs/{job_id}")),
            badge: Some(Badge(r#try.outcome.clone())),
            detail: try_detail(&r#try),
            ..Entry::new("job", format!("Job {kind}, try {}", r#try.number), at)
        },
        TimelineItem::OpenJob { job } => open_job(job, at),
        TimelineItem::StripeCall { job_id, request } => Entry {
            link: Some(format!("/jobs/{job_id}")),
            badge: None,
            detail: call_detail(&request),
            ..Entry::new("call", format!("Stripe call {}", request.call), at)
        },
        TimelineItem::Webhook { webhook } => Entry {
            badge: Some(Badge(webhook.status)),
            detail: joined([Some(webhook.id), webhook.error]),
            ..Entry::new("webhook", format!("Webhook {}", webhook.r#type), at)
        },
        TimelineItem::DeliveryTry {
            delivery_id,
            event_id,
            status,
            r#try,
            ..
        } => Entry {
            badge: Some(Badge(status)),
            detail: format!("{delivery_id} · {event_id} · try {}", r#try.number),
            ..Entry::new("delivery", "Delivery to the merchant".to_owned(), at)
        },
    }
}

fn moved(event: EventView, at: Moment) -> Entry {
    let kind = event.kind.replace('_', " ");
    let detail = format!("version {} · caused by {}", event.version, event.cause);
    Entry {
        badge: Some(Badge(event.to.into_owned())),
        detail,
        ..Entry::new("transition", format!("{} {kind}", event.machine), at)
    }
}

fn open_job(job: JobView, at: Moment) -> Entry {
    Entry {
        link: Some(format!("/jobs/{}", job.id)),
        badge: Some(Badge(job.state)),
        detail: joined([job.last_error]),
        ..Entry::new("job", format!("Job {}", job.kind), at)
    }
}

/// What is known of a try: worker, error, how often.
pub(super) fn try_detail(tried: &JobTryView) -> String {
    let times = (tried.times > 1).then(|| format!("{} times", tried.times));
    let worker = tried
        .worker
        .as_ref()
        .map(|worker| format!("worker {worker}"));
    joined([tried.error.clone(), times, worker])
}

/// What is known of a call: status, request id, key, duration.
pub(super) fn call_detail(call: &StripeCallView) -> String {
    let status = call.status.map_or_else(
        || "no answer".to_owned(),
        |status| format!("status {status}"),
    );
    joined([
        Some(status),
        call.request_id.clone(),
        call.idempotency_key
            .as_ref()
            .map(|key| format!("key {key}")),
        call.replayed.then(|| "replayed by Stripe".to_owned()),
        Some(format!("{} ms", call.duration_ms)),
    ])
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" · ")
}
