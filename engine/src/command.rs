//! Commands of clients: a transition and its job are committed, then the answer says so. Stripe is called by a worker.

use infra::trace;
use infra::trace::SpanKind;
use uuid::Uuid;
use workflows::stream::Event;

use crate::committer::advance::{Advance, Answers, Origin, Outcome, request_cause};
use crate::{Answer, Command, Engine, Error, Idempotency};

impl Engine {
    /// Puts a command through the machine of a payment. The answer shows the payment (or the refund) as the command
    /// left it, and is durable.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown payment and for another account's, [`Error::Refused`] when the machine does not
    /// allow it, [`Error::KeyReused`], [`Error::Unavailable`]. Nothing was written then.
    pub async fn command(
        &self,
        payment: Uuid,
        command: Command,
        idempotency: Idempotency,
    ) -> Result<Answer, Error> {
        let (since, name) = (trace::begin(), name(&command));
        let (event, answers) = meant(command);
        let origin = Origin::Command {
            event,
            idempotency,
            answers,
        };
        match self
            .inner
            .advances
            .submit(Advance {
                payment,
                cause: request_cause(),
                origin,
            })
            .await?
        {
            Outcome::Answered(answer) => {
                trace::link(payment);
                if let Some(since) = since.filter(|_| !answer.replayed) {
                    since.record(
                        payment,
                        format!("{name} accepted"),
                        SpanKind::Internal,
                        Vec::new(),
                    );
                }
                Ok(answer)
            }
            Outcome::Refused(error) => Err(error),
            Outcome::Finished(_) | Outcome::Stale => {
                Err(Error::Internal("a command was taken for a job".into()))
            }
        }
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Confirm { .. } => "confirm",
        Command::Capture { .. } => "capture",
        Command::Cancel { .. } => "cancel",
        Command::Refund { .. } => "refund",
    }
}

fn meant(command: Command) -> (Event, Answers) {
    match command {
        Command::Confirm {
            payment_method,
            return_url,
        } => (
            Event::ConfirmRequested {
                attempt: Uuid::now_v7(),
                payment_method,
                return_url,
            },
            Answers::Payment,
        ),
        Command::Capture { amount } => (Event::CaptureRequested { amount }, Answers::Payment),
        Command::Cancel { reason } => (Event::CancelRequested { reason }, Answers::Payment),
        Command::Refund { amount, reason } => {
            let refund = Uuid::now_v7();
            (
                Event::RefundRequested {
                    refund,
                    amount,
                    reason,
                },
                Answers::Refund(refund),
            )
        }
    }
}
