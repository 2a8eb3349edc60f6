//! A group of events while it is folded: which may be applied, and what each caller hears.

use std::collections::HashMap;

use contracts::id::{JobId, PaymentId};
use uuid::Uuid;
use workflows::stream::Event;

use super::advance::{Advance, Answers, Claim, Key, Origin, Outcome, key};
use super::fold::{Applied, Fold, NotApplied};
use crate::record::{json, refund_view};
use crate::store::idempotency::Saved;
use crate::{Answer, Error, Idempotency};

/// A group while it is folded.
pub(super) struct Group {
    pub(super) fold: Fold,
    pub(super) held: HashMap<Uuid, bool>,
    pub(super) saved: HashMap<Key, Saved>,
    /// Answers given within this group, to meet equal requests before the database.
    pub(super) given: HashMap<Key, ([u8; 32], Answer)>,
    pub(super) buried: Vec<(Uuid, String)>,
    pub(super) over: Vec<Uuid>,
    pub(super) has_hands: bool,
}

impl Group {
    pub(super) fn take(&mut self, member: &Advance) -> Outcome {
        match &member.origin {
            Origin::Command {
                event,
                idempotency,
                answers,
            } => self.command(member, event, idempotency, *answers),
            Origin::Job {
                job,
                event,
                expected_version,
                ..
            } => {
                if self.held.contains_key(job) {
                    let calls = self.fold.calls();
                    self.job(member, *job, event.as_ref(), *expected_version);
                    Outcome::Finished(self.claim(calls))
                } else {
                    Outcome::Stale
                }
            }
            Origin::Expiry => {
                let event = Event::CancelRequested {
                    reason: Some("abandoned".into()),
                };
                if let Err(refusal) = self.fold.apply(member.payment, &event, &member.cause) {
                    tracing::debug!(payment = %PaymentId::from(member.payment), ?refusal, "an expiry found nothing to cancel");
                }
                self.over.push(member.payment);
                Outcome::Finished(Vec::new())
            }
        }
    }

    fn command(
        &mut self,
        member: &Advance,
        event: &Event,
        idempotency: &Idempotency,
        answers: Answers,
    ) -> Outcome {
        let key = key(idempotency);
        if self
            .fold
            .record(member.payment)
            .is_none_or(|record| record.account != idempotency.account)
        {
            return Outcome::Refused(Error::NotFound);
        }
        let before = match (self.saved.get(&key), self.given.get(&key)) {
            (Some(saved), _) => Some((saved.body_hash == idempotency.body_hash, &saved.answer)),
            (None, Some((hash, answer))) => Some((*hash == idempotency.body_hash, answer)),
            (None, None) => None,
        };
        match before {
            Some((true, answer)) => {
                return Outcome::Answered(Answer {
                    replayed: true,
                    ..answer.clone()
                });
            }
            Some((false, _)) => return Outcome::Refused(Error::KeyReused),
            None => {}
        }
        if let Err(refusal) = self.fold.apply(member.payment, event, &member.cause) {
            return Outcome::Refused(refusal.into());
        }
        match self.answer(member.payment, answers) {
            Some(answer) => {
                self.given
                    .insert(key, (idempotency.body_hash, answer.clone()));
                Outcome::Answered(answer)
            }
            None => Outcome::Refused(Error::Internal("a command left no object to show".into())),
        }
    }

    /// Takes the calls that followed from an answer into the hands that brought it: the next call of a payment needs no
    /// way through Redis. Should the worker die, their leases run out like any other.
    fn claim(&mut self, from: usize) -> Vec<Claim> {
        if !self.has_hands {
            return Vec::new();
        }
        let jobs = self.fold.claim_calls(from);
        jobs.into_iter()
            .map(|job| Claim {
                record: self.fold.record(job.payment).cloned(),
                refund: self
                    .fold
                    .refund(job.payment, job.subject)
                    .map(|stored| stored.refund.clone()),
                job,
            })
            .collect()
    }

    fn answer(&self, payment: Uuid, answers: Answers) -> Option<Answer> {
        let record = self.fold.record(payment)?;
        let version = record.payment.version;
        let (status, body) = match answers {
            Answers::Payment => (200, record.rendered().body),
            Answers::Refund(refund) => {
                let stored = self.fold.refund(payment, refund)?;
                (201, json(&refund_view(stored)))
            }
        };
        Some(Answer {
            status,
            body,
            replayed: false,
            payment,
            version,
        })
    }

    /// Applies the event of a job that is held. A resync whose payment moved while Stripe was asked looks again; an event
    /// that `step` refuses puts the job before a person.
    fn job(
        &mut self,
        member: &Advance,
        job: Uuid,
        event: Option<&Event>,
        expected_version: Option<i64>,
    ) {
        let Some(event) = event else { return };
        let current = self
            .fold
            .record(member.payment)
            .map(|record| record.payment.version);
        if expected_version.is_some() && expected_version != current {
            self.fold.resync(member.payment);
            return;
        }
        match self.fold.apply(member.payment, event, &member.cause) {
            Ok(Applied::Moved | Applied::Nothing) => {}
            Err(refusal) => {
                let error = match refusal {
                    NotApplied::NoPayment => {
                        "its payment does not exist or cannot be read".to_owned()
                    }
                    NotApplied::Refused(refusal) => format!("its answer was refused: {refusal}"),
                };
                tracing::error!(payment = %PaymentId::from(member.payment), job = %JobId::from(job), error, "a job is given up; a person must look");
                self.buried.push((job, error));
            }
        }
    }
}
