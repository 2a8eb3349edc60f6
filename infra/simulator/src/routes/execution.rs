//! The execution of an operation under its idempotency key, with the faults during and after it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::faults::rule::{Fault, Rule, Stage};
use crate::form::Form;
use crate::objects::event::Cause;
use crate::refusal::Refusal;
use crate::routes::idempotency::{Claim, Saved};
use crate::routes::list::Route;
use crate::routes::reply::{Outcome, Reply};
use crate::simulator::Simulator;
use crate::store::Call;

/// An operation that is about to be executed.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) route: Route,
    pub(crate) id: String,
    pub(crate) form: Form,
    pub(crate) fingerprint: u64,
    /// It has an idempotency key exactly if the request is a POST.
    pub(crate) cause: Cause,
    /// The faults that the request itself asks for.
    pub(crate) asked: Vec<Rule>,
    pub(crate) delay: Duration,
}

impl Execution {
    /// Executes the operation, or repeats the answer that is saved under the key.
    pub(crate) async fn run(self) -> Result<Outcome, Refusal> {
        if let Some(key) = &self.cause.idempotency_key {
            let claim = self.simulator.keys.lock().claim(key, self.fingerprint)?;
            if let Claim::Replay(saved) = claim {
                return Ok(Outcome::Answered(Reply {
                    status: saved.status,
                    body: saved.body,
                    should_retry: saved.should_retry,
                    original: Some(saved.request_id),
                    html: false,
                }));
            }
        }
        let (reply, after) = if self.delay.is_zero() {
            self.execute()
        } else {
            // When a client disconnects, hyper drops the request's future; a delayed execution must happen nevertheless.
            let late = tokio::spawn(async move {
                tokio::time::sleep(self.delay).await;
                self.execute()
            });
            late.await.map_err(|_| Refusal::internal(500, None))?
        };
        Ok(inject_after(reply, &after).await)
    }

    /// Executes now, saves the answer, and draws the faults after execution.
    fn execute(&self) -> (Reply, Vec<Rule>) {
        let is_post = self.cause.idempotency_key.is_some();
        let (mut reply, executed) = match self.operate() {
            Ok(body) => (Reply::success(body.into()), true),
            Err(refusal) => (Reply::from(&refusal), refusal.executed),
        };
        let mut after = Vec::new();
        if is_post && executed {
            after = self
                .simulator
                .faults
                .draw(Stage::After, self.route.name, &self.asked);
            if let Some(rule) = after.iter().find(|rule| rule.fault == Fault::ErrorAfter) {
                reply = internal(rule);
            }
        }
        if let Some(key) = &self.cause.idempotency_key {
            let mut keys = self.simulator.keys.lock();
            if executed {
                keys.save(key, self.saved(&reply));
            } else {
                keys.release(key);
            }
        }
        (reply, after)
    }

    fn operate(&self) -> Result<Box<RawValue>, Refusal> {
        self.form.only(self.route.parameters)?;
        if self.cause.idempotency_key.is_some() {
            let drawn = self
                .simulator
                .faults
                .draw(Stage::During, self.route.name, &self.asked);
            if let Some(rule) = drawn.first() {
                let mut refusal = Refusal::internal(rule.status.unwrap_or(500), rule.should_retry);
                refusal.executed = true;
                return Err(refusal);
            }
        }
        self.simulator.operate(|store| {
            let call = Call {
                id: &self.id,
                form: &self.form,
                now: store.now(),
                cause: self.cause.clone(),
            };
            (self.route.operation)(store, &call)
        })
    }

    fn saved(&self, reply: &Reply) -> Saved {
        Saved {
            status: reply.status,
            body: reply.body.clone(),
            should_retry: reply.should_retry,
            request_id: self.cause.id.clone().unwrap_or_default(),
        }
    }
}

fn internal(rule: &Rule) -> Reply {
    Reply::from(&Refusal::internal(
        rule.status.unwrap_or(500),
        rule.should_retry,
    ))
}

/// Injects the faults after execution into its answer.
async fn inject_after(mut reply: Reply, after: &[Rule]) -> Outcome {
    for rule in after {
        match rule.fault {
            Fault::DelayAfter => tokio::time::sleep(rule.time()).await,
            Fault::DropAfter => return Outcome::Dropped,
            Fault::HtmlAfter => {
                reply.status = 502;
                reply.html = true;
                reply.body =
                    Bytes::from_static(b"<html><body><h1>502 Bad Gateway</h1></body></html>");
            }
            Fault::TruncatedAfter => reply.body.truncate(reply.body.len() / 2),
            _ => {}
        }
    }
    Outcome::Answered(reply)
}
