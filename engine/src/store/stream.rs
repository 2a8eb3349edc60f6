//! The streams of payments over all tables that hold their subjects. This is the one list of subjects: a new one adds a
//! line to each function here, and a file with functions of the same names.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::edges::Machine;
use workflows::stream::{Needs, Stream, Transition};

use super::{attempt, capture, dispute, payment, refund};
use crate::record::{Change, Record};

/// What [`lock`] found.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    /// The payments that are locked now. One whose rows cannot be decoded is logged and left out.
    pub(crate) records: HashMap<Uuid, Record>,
    /// The payments that another transaction has locked.
    pub(crate) busy: HashSet<Uuid>,
}

/// Locks the payments that no other transaction has locked, each with its newest attempt, then reads the subjects that are
/// needed of each. It waits for none, so that a payment which somebody keeps locked delays no other.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    needs: &BTreeMap<Uuid, Needs>,
) -> sqlx::Result<Locked> {
    let ids: Vec<Uuid> = needs.keys().copied().collect();
    let mut records = HashMap::with_capacity(ids.len());
    let mut missing: HashSet<Uuid> = ids.iter().copied().collect();
    for (payment, record) in payment::lock(connection, &ids).await? {
        missing.remove(&payment);
        match record {
            Ok(record) => {
                records.insert(payment, record);
            }
            Err(error) => {
                tracing::error!(%error, "failed to decode a payment; it stops until an operator corrects its row, the others go on");
            }
        }
    }
    let missing: Vec<Uuid> = missing.into_iter().collect();
    let busy = if missing.is_empty() {
        HashSet::new()
    } else {
        payment::existing(connection, &missing).await?
    };
    capture::load(connection, records.values_mut()).await?;
    refund::load(connection, needs, &mut records).await?;
    dispute::load(connection, needs, &mut records).await?;
    Ok(Locked { records, busy })
}

/// Reads payments as they are committed now, without a lock, each with its newest attempt and the subjects that are
/// needed.
pub(crate) async fn read(
    connection: &mut PgConnection,
    needs: &BTreeMap<Uuid, Needs>,
) -> sqlx::Result<HashMap<Uuid, Record>> {
    let ids: Vec<Uuid> = needs.keys().copied().collect();
    let mut records: HashMap<Uuid, Record> = payment::read(connection, &ids)
        .await?
        .into_iter()
        .map(|record| (record.stream.payment.id, record))
        .collect();
    refund::load(connection, needs, &mut records).await?;
    dispute::load(connection, needs, &mut records).await?;
    Ok(records)
}

/// Writes the difference of each stream. The caller has locked the payments.
pub(crate) async fn write(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    payment::write(connection, changes, now).await?;
    attempt::write(connection, changes).await?;
    capture::write(connection, changes, now).await?;
    refund::write(connection, changes, now).await?;
    dispute::write(connection, changes, now).await
}

/// The facts that the history keeps of a payment after a step.
pub(crate) fn facts(after: &Stream) -> Value {
    let payment = &after.payment;
    json!({
        "amount_capturable": payment.capturable,
        "amount_captured": payment.captured,
        "amount_refunded": payment.refunded,
        "amount_reserved": payment.reserved,
    })
}

/// The facts that the history keeps of the subject of a transition. Never a client secret.
pub(crate) fn moved(transition: &Transition, after: &Stream) -> Value {
    match transition.machine {
        Machine::Payment => payment::facts(after),
        Machine::Attempt => attempt::facts(after, transition.subject),
        Machine::Capture => capture::facts(after, transition.subject),
        Machine::Refund => refund::facts(after, transition.subject),
        Machine::Dispute | Machine::DisputeFunds | Machine::DisputeEvidence => {
            dispute::facts(after, transition.subject)
        }
    }
}
