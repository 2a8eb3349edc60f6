//! Refused commands on the topic of dead ones.

use contracts::command::{CommandMessage, RefusedCommand, SCHEMA_VERSION};
use infra::http::problem::Problem;
use rdkafka::producer::FutureRecord;
use tokio::time::sleep;

use super::message::{Payload, Received};
use super::{CommandConsumer, FIRST_PAUSE, LONGEST_PAUSE, USER};
use crate::code::CARD_DATA;
use crate::{body, store};

impl CommandConsumer {
    /// Sends a refused command with the reason to the topic of dead commands, until Kafka has acknowledged it: a command must
    /// not vanish without a word. It may be sent twice.
    pub(super) async fn refuse(&self, received: &Received, problem: Problem) {
        let refused = refused(received, problem);
        let (partition, offset) = (received.partition, received.offset);
        tracing::warn!(
            partition,
            offset,
            code = %refused.code,
            param = refused.param,
            topic = self.dead_topic,
            "refused a command from Kafka; sending it with the reason to the topic of dead commands"
        );
        // It holds strings and numbers, which always have JSON.
        let body = serde_json::to_vec(&refused).unwrap_or_default();
        let key = received.key.clone().unwrap_or_default();
        let mut pause = FIRST_PAUSE;
        loop {
            let mut record = FutureRecord::<[u8], [u8]>::to(&self.dead_topic).payload(&body);
            if received.key.is_some() {
                record = record.key(&key);
            }
            let Err((error, _)) = self.dead.send(record, LONGEST_PAUSE).await else {
                if self.dead_outage.answered(USER).is_some() {
                    tracing::info!(
                        topic = self.dead_topic,
                        "refused commands are sent to the topic of dead commands again"
                    );
                }
                return;
            };
            if self.dead_outage.failed(USER).is_some() {
                tracing::warn!(%error, topic = self.dead_topic, "failed to send a refused command to the topic of dead commands; the commands behind it wait, and it is tried again");
            }
            drop(self.portions.round());
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

fn refused(received: &Received, problem: Problem) -> RefusedCommand {
    let text = match &received.payload {
        Payload::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        Payload::TooLarge => None,
    };
    let message = text.filter(|text| problem.code != CARD_DATA && !body::is_card_in(text));
    let command: Option<CommandMessage> = text.and_then(|text| serde_json::from_str(text).ok());
    RefusedCommand {
        schema_version: SCHEMA_VERSION,
        command_id: command.map(|command| command.id),
        code: problem.code.as_str().into(),
        param: problem.param.map(|param| match param.as_str() {
            "Idempotency-Key" => "id".to_owned(),
            // The engine names fields of the body; what was read from the message has its path already.
            "amount" | "payment_method" | "reference" | "final" => format!("body.{param}"),
            _ => param,
        }),
        detail: problem.detail,
        retryable: problem.retryable,
        partition: received.partition,
        offset: received.offset,
        refused_at: store::now(),
        message: message.map(str::to_owned),
    }
}
