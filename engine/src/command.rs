//! The commands of clients, and Stripe's webhooks: each returns when its transaction is committed. Stripe is called by a
//! worker afterwards.

use infra::trace::SpanKind;
use infra::{postgres, trace};
use uuid::Uuid;
use workflows::stream::{CaptureRequest, ConfirmRequest, Event, EvidenceRequest, RefundRequest};

use crate::commit::Cause;
use crate::commit::advance::{Advance, Origin, Outcome};
use crate::commit::batch::create;
use crate::commit::batch::create::Create;
use crate::request::{Answer, Command, Idempotency, NewPayment};
use crate::store::{idempotency, inbox};
use crate::webhook::signature::Signed;
use crate::{Engine, Error, webhook};

impl Engine {
    /// Accepts a payment: when this returns it is durable, and it will be driven to an end whatever process dies.
    ///
    /// # Errors
    /// [`Error::KeyReused`], [`Error::InFlight`], [`Error::ReferenceTaken`], [`Error::IntakePaused`] and
    /// [`Error::Unavailable`]; nothing was written then.
    pub async fn create(&self, new: NewPayment, idempotency: Idempotency) -> Result<Answer, Error> {
        self.create_by(new, idempotency, &Cause::request()).await
    }

    /// As [`Engine::create`], from this cause.
    pub(crate) async fn create_by(
        &self,
        new: NewPayment,
        idempotency: Idempotency,
        cause: &Cause,
    ) -> Result<Answer, Error> {
        if self.inner.intake.is_paused(&self.inner.pool).await? {
            return self.answered_before(&idempotency).await;
        }
        let create = Create::prepare(new, idempotency, cause)?;
        match self.inner.creates.submit(create).await? {
            create::Outcome::Answered(answer) => {
                trace::link(answer.payment);
                Ok(answer)
            }
            create::Outcome::KeyReused => Err(Error::KeyReused),
            create::Outcome::InFlight => Err(Error::InFlight),
            create::Outcome::ReferenceTaken(payment) => Err(Error::ReferenceTaken { payment }),
        }
    }

    /// While the intake is paused, a request that repeats one from before the pause still gets its answer.
    async fn answered_before(&self, idempotency: &Idempotency) -> Result<Answer, Error> {
        let saved = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            idempotency::read(&mut connection, idempotency).await
        });
        match saved.await? {
            Some(saved) => saved.answer_to(idempotency).ok_or(Error::KeyReused),
            None => Err(Error::IntakePaused),
        }
    }

    /// Applies a command to a payment. The answer shows the payment (or the new refund, or the dispute) after the command, and is durable.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown payment and for another account's, [`Error::Refused`] when the payment's status
    /// does not allow it, [`Error::KeyReused`], [`Error::Unavailable`]. Nothing was written then.
    pub async fn command(
        &self,
        payment: Uuid,
        command: Command,
        idempotency: Idempotency,
    ) -> Result<Answer, Error> {
        let cause = Cause::request();
        self.command_by(payment, command, idempotency, cause).await
    }

    /// As [`Engine::command`], from this cause.
    pub(crate) async fn command_by(
        &self,
        payment: Uuid,
        command: Command,
        idempotency: Idempotency,
        cause: Cause,
    ) -> Result<Answer, Error> {
        let (since, name) = (trace::begin(), command.name());
        let (event, subject) = event(payment, command);
        let origin = Origin::Command {
            event,
            subject,
            idempotency,
        };
        let advance = Advance {
            payment,
            cause,
            origin,
        };
        match self.inner.advances.submit(advance).await? {
            Outcome::Answered(answer) => {
                trace::link(payment);
                if let Some(since) = since.filter(|_| !answer.replayed) {
                    let name = format!("{name} accepted");
                    since.record(payment, name, SpanKind::Internal, Vec::new());
                }
                Ok(answer)
            }
            Outcome::Refused(error) => Err(error),
            Outcome::Finished(_) | Outcome::Stale => {
                Err(Error::Internal("a command got the outcome of a job".into()))
            }
        }
    }

    /// Stores a webhook of Stripe's, whose signature was verified, whatever it holds. When this returns it is durable; a
    /// second delivery of the same event changes nothing.
    ///
    /// # Errors
    /// [`Error`] when it could not be stored, so that Stripe must deliver it again; no row was written then.
    pub async fn receive(&self, webhook: Signed<'_>) -> Result<(), Error> {
        let name = webhook::name(webhook.body());
        let new = inbox::New {
            id: name.id,
            r#type: name.r#type,
            payload: webhook.body().to_vec(),
        };
        self.inner.webhooks.submit(new).await?;
        infra::crash::point("inbox.kept");
        Ok(())
    }
}

/// The event of a command, and the subject that its answer shows.
fn event(payment: Uuid, command: Command) -> (Event, Uuid) {
    match command {
        Command::Confirm {
            payment_method,
            return_url,
        } => {
            let event = Event::ConfirmRequested(ConfirmRequest {
                attempt: Uuid::now_v7(),
                payment_method,
                return_url,
            });
            (event, payment)
        }
        Command::Capture { amount, is_final } => {
            let event = Event::CaptureRequested(CaptureRequest {
                capture: Uuid::now_v7(),
                amount,
                is_final,
            });
            (event, payment)
        }
        Command::Cancel { reason } => (Event::CancelRequested { reason }, payment),
        Command::Refund { amount, reason } => {
            let refund = Uuid::now_v7();
            let event = Event::RefundRequested(RefundRequest {
                refund,
                amount,
                reason,
            });
            (event, refund)
        }
        Command::SubmitEvidence {
            dispute,
            evidence,
            submit,
        } => {
            let event = Event::EvidenceRequested(EvidenceRequest {
                dispute,
                evidence,
                submit,
            });
            (event, dispute)
        }
        Command::AcceptDispute { dispute } => (Event::AcceptRequested { dispute }, dispute),
    }
}
