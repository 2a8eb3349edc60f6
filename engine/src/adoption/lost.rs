//! Payments that Stripe knows and the database does not.

use std::collections::HashSet;

use contracts::id::PaymentId;
use contracts::request::Customer;
use infra::http::RequestId;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::effect::Effect;
use workflows::money::Money;
use workflows::payment::{CaptureMethod, Payment};

use super::{Adoption, Ours, keep};
use crate::commit::Cause;
use crate::commit::batch::create::{Begun, write};
use crate::record::{Notes, Record};
use crate::request::{Answer, Idempotency};
use crate::store::{job, payment};
use crate::{Error, store};

/// Who moved the payment, and why, in its history.
const BY: (&str, &str) = (
    "pawl adopt",
    "Stripe knows the payment, and the restored database did not",
);

/// A payment ready to be written again, and the request that made it.
pub(super) struct Lost {
    begun: Begun,
    request: Option<Idempotency>,
}

impl Lost {
    /// The payments of these intents. Of several intents with the same mark the oldest is the payment's.
    pub(super) fn read(mut ours: Vec<Ours>, skipped: &mut Vec<(String, String)>) -> Vec<Self> {
        ours.sort_by_key(|it| it.intent.created);
        let mut seen = HashSet::new();
        let mut found = Vec::with_capacity(ours.len());
        for it in ours {
            let intent = it.intent.id.clone();
            if !seen.insert(it.payment) {
                let reason = "another intent bears the mark of the same payment";
                skipped.push((intent, reason.to_owned()));
                continue;
            }
            match Self::new(it) {
                Ok(lost) => found.push(lost),
                Err(error) => skipped.push((intent, error.to_string())),
            }
        }
        found
    }

    /// The payment before its first report from Stripe. It is not confirmed by itself: whether its client still wants that is
    /// not known. A job reads the intent, which moves the payment to where it is.
    fn new(ours: Ours) -> Result<Self, Error> {
        let request = ours.request();
        let intent = ours.intent;
        let money = Money::parse(intent.amount, &intent.currency)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let capture = match intent.capture_method.as_str() {
            "manual" => CaptureMethod::Manual,
            _ => CaptureMethod::Automatic,
        };
        let notes = Notes {
            reference: intent.metadata.get("reference").cloned(),
            customer: intent.receipt_email.map(|email| Customer {
                email: Some(email),
                ..Customer::default()
            }),
            description: intent.description,
            ..Notes::default()
        };
        let created_at =
            OffsetDateTime::from_unix_timestamp(intent.created).unwrap_or_else(|_| store::now());
        let new = Payment::new(ours.payment, money, capture, false, None, None);
        let (actor, reason) = BY;
        let by = Some((actor.to_owned(), reason.to_owned()));
        let cause = Cause::operator(RequestId::generate().as_str().to_owned(), by);
        let mut begun = Begun::new(new, ours.account, notes, &cause, created_at)?;
        begun.record.stream.payment.intent_id = Some(intent.id);
        begun.jobs = vec![job::New::from_effect(ours.payment, Effect::Resync)];
        Ok(Self { begun, request })
    }

    fn id(&self) -> Uuid {
        self.begun.record.stream.payment.id
    }
}

/// Writes the payments, with the answers to their requests.
pub(super) async fn add(
    connection: &mut PgConnection,
    mut lost: Vec<Lost>,
    done: &mut Adoption,
) -> sqlx::Result<()> {
    if lost.is_empty() {
        return Ok(());
    }
    let records: Vec<&Record> = lost.iter().map(|it| &it.begun.record).collect();
    let added = payment::add(connection, &records).await?;
    for it in &mut lost {
        if added.contains(&it.id()) {
            continue;
        }
        // Another payment was accepted for the same order in the meantime. Both are kept, because both are at Stripe.
        let id = PaymentId::from_uuid(it.id());
        let reference = it.begun.record.notes.reference.take().unwrap_or_default();
        done.doubled.push((id, reference));
        payment::add(connection, &[&it.begun.record]).await?;
    }
    let begun: Vec<&Begun> = lost.iter().map(|it| &it.begun).collect();
    write(connection, &begun, store::now()).await?;
    let answers = lost.iter().filter_map(|it| {
        let request = it.request.clone()?;
        Some((request, Answer::of_payment(&it.begun.record)))
    });
    keep(connection, &answers.collect::<Vec<_>>(), done).await?;
    let ids = lost.iter().map(|it| PaymentId::from_uuid(it.id()));
    done.adopted.extend(ids);
    Ok(())
}
