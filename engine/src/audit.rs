//! The comparison of Stripe's intents and disputes of a range with the database: every sum per account and currency, and each difference.
//!
//! Payments move while they are compared, so each difference is compared once more, by a fresh read of both sides, before it
//! counts. The report is kept with a signature, so that nobody can change what an audit has found.

mod difference;
mod disputes;
mod key;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use contracts::audit::{AuditView, BothView, DriftReport, DriftView, SumsView};
use contracts::id::PaymentId;
use difference::{action, differences};
use infra::id::AccountId;
use infra::postgres;
use sqlx::PgPool;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::audit_report;
use crate::store::audit_report::Stored;
use crate::store::payment::sums;
use crate::store::payment::sums::Sums;
use crate::stripe::{Client, EventRange, Failure, IntentSums};
use crate::{Engine, Error, Scope, store};

pub use key::AuditKey;

/// How long both sides get to settle before a difference is compared again.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// The pause between two checks whether a daily audit is due, and after one that failed.
const TICK: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_mins(10);

/// The part of the past that the daily audit compares: two days, so that each payment is compared at least once after its
/// first day; the last ten minutes still move.
const DAILY: time::Duration = time::Duration::hours(48);
const STILL_MOVES: time::Duration = time::Duration::minutes(10);

/// Payments read from the database at once.
const PORTION: i64 = 500;

/// Why an audit has no result.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Stripe did not answer a read.
    #[error("Stripe: {0}")]
    Stripe(#[from] Box<Failure>),
    /// Postgres failed.
    #[error("Postgres: {0}")]
    Postgres(#[from] sqlx::Error),
    /// The report has no JSON.
    #[error("the report cannot be written: {0}")]
    Report(#[from] serde_json::Error),
}

/// Compares payments and keeps the reports.
pub struct Auditor {
    /// The database.
    pub pool: PgPool,
    /// Stripe's API.
    pub stripe: Client,
    /// What signs the reports.
    pub key: AuditKey,
}

/// What differs, before it is compared again.
struct Suspect {
    intent: String,
    payment: Option<Uuid>,
}

#[derive(Default)]
struct Totals {
    payments: BothView,
    captured: BothView,
    refunded: BothView,
    withdrawn: BothView,
}

type ByCurrency = BTreeMap<(Uuid, String), Totals>;

impl Auditor {
    /// Makes the daily audit until `shutdown`, in turn with the other workers.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        while shutdown.run_until_cancelled(sleep(TICK)).await.is_some() {
            if let Some(Err(error)) =
                Box::pin(shutdown.run_until_cancelled(self.audit_daily())).await
            {
                tracing::warn!(%error, "failed to make the daily audit; another try follows in 10 min");
                let again = audit_report::give_back_turn(&self.pool, RETRY);
                if let Err(error) = postgres::within(again).await {
                    tracing::warn!(%error, "failed to set the time of the next audit; it is made tomorrow");
                }
            }
        }
    }

    async fn audit_daily(&self) -> Result<(), AuditError> {
        if !postgres::within(audit_report::take_turn(&self.pool)).await? {
            return Ok(());
        }
        let to = OffsetDateTime::now_utc() - STILL_MOVES;
        let report = self.audit(to - DAILY, to, SETTLES_WITHIN).await?;
        if report.drifts.is_empty() {
            tracing::info!(summary = report.summary, "made the daily audit");
        } else {
            tracing::error!(
                summary = report.summary,
                "the daily audit found differences between Stripe and the database; `pawl audit --last` lists them with what to do"
            );
        }
        Ok(())
    }

    /// Compares all intents and disputes of ours that Stripe made in the range, and all payments that were accepted in it, and
    /// keeps the report. Both sides get `settles_within` to settle before a difference counts.
    ///
    /// # Errors
    /// [`AuditError`]; no report is kept then.
    pub async fn audit(
        &self,
        from: OffsetDateTime,
        to: OffsetDateTime,
        settles_within: Duration,
    ) -> Result<AuditView, AuditError> {
        let (mut sums, mut suspects, mut seen) = (ByCurrency::new(), Vec::new(), HashSet::new());
        let range = EventRange {
            from: from.unix_timestamp(),
            to: to.unix_timestamp(),
        };
        let mut after: Option<String> = None;
        loop {
            let page = self.stripe.list_sums(range, after.as_deref()).await;
            let (intents, more) = page.map_err(Box::new)?;
            after = intents.last().map(|intent| intent.id.clone());
            self.compare(&intents, &mut sums, &mut suspects).await?;
            seen.extend(intents.into_iter().map(|intent| intent.id));
            if !more || after.is_none() {
                break;
            }
        }
        self.find_missing(from, to, &seen, &mut sums, &mut suspects)
            .await?;
        let disputes = self.compare_disputes(range, &mut sums).await?;
        if !suspects.is_empty() || !disputes.is_empty() {
            sleep(settles_within).await;
        }
        let mut drifts = Vec::new();
        for suspect in suspects {
            drifts.extend(self.compare_again(&suspect).await?);
        }
        for dispute in disputes {
            drifts.extend(self.compare_dispute_again(&dispute).await?);
        }
        self.keep(from, to, sums, drifts).await
    }

    /// Compares a page of Stripe's intents with their payments.
    async fn compare(
        &self,
        intents: &[IntentSums],
        sums: &mut ByCurrency,
        suspects: &mut Vec<Suspect>,
    ) -> Result<(), AuditError> {
        let ids: Vec<String> = intents.iter().map(|intent| intent.id.clone()).collect();
        let known = postgres::within(async {
            let mut connection = self.pool.acquire().await?;
            sums::of_intents(&mut connection, &ids).await
        });
        let known: BTreeMap<String, Sums> = known
            .await?
            .into_iter()
            .map(|sums| (sums.intent_id.clone(), sums))
            .collect();
        for intent in intents {
            let row = known.get(&intent.id);
            let account = row.map(|row| row.account_id).or(intent.account());
            let (Some(account), true) = (account, row.is_some() || intent.payment().is_some())
            else {
                // Another program's.
                continue;
            };
            let totals = sums.entry((account, intent.currency.clone())).or_default();
            totals.payments.stripe += 1;
            totals.captured.stripe += intent.amount_received;
            totals.refunded.stripe += intent.amount_refunded();
            if let Some(row) = row {
                count_row(sums, row);
            }
            if !differences(Some(intent), row).is_empty() {
                suspects.push(Suspect {
                    intent: intent.id.clone(),
                    payment: intent.payment(),
                });
            }
        }
        Ok(())
    }

    /// Finds the payments of the range whose intents Stripe did not list.
    async fn find_missing(
        &self,
        from: OffsetDateTime,
        to: OffsetDateTime,
        seen: &HashSet<String>,
        sums: &mut ByCurrency,
        suspects: &mut Vec<Suspect>,
    ) -> Result<(), AuditError> {
        let (mut above, below) = (store::earliest_id(from), store::earliest_id(to));
        loop {
            let rows = postgres::within(async {
                let mut connection = self.pool.acquire().await?;
                sums::between(&mut connection, above, below, PORTION).await
            });
            let rows = rows.await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            above = last.id;
            for row in rows.iter().filter(|row| !seen.contains(&row.intent_id)) {
                // Its intent was made outside the range, a moment later, or Stripe has none.
                let shown = self.stripe.retrieve_sums(&row.intent_id).await;
                let shown = shown.map_err(Box::new)?;
                if differences(shown.as_ref(), Some(row)).is_empty() {
                    continue;
                }
                count_row(sums, row);
                suspects.push(Suspect {
                    intent: row.intent_id.clone(),
                    payment: Some(row.id),
                });
            }
        }
    }

    /// Reads both sides anew.
    async fn compare_again(&self, suspect: &Suspect) -> Result<Vec<DriftView>, AuditError> {
        let shown = self.stripe.retrieve_sums(&suspect.intent).await;
        let shown = shown.map_err(Box::new)?;
        let ids = [suspect.intent.clone()];
        let row = postgres::within(async {
            let mut connection = self.pool.acquire().await?;
            sums::of_intents(&mut connection, &ids).await
        });
        let row = row.await?.pop();
        let account = row.as_ref().map(|row| row.account_id);
        let account = account.or_else(|| shown.as_ref()?.account());
        let payment = row.as_ref().map(|row| row.id).or(suspect.payment);
        let payment = PaymentId::from_uuid(payment.unwrap_or_default());
        let found = differences(shown.as_ref(), row.as_ref());
        Ok(found
            .into_iter()
            .map(|(what, stripe, pawl)| DriftView {
                account_id: AccountId::from_uuid(account.unwrap_or_default()),
                payment_id: payment,
                intent_id: suspect.intent.clone(),
                what: what.into(),
                stripe,
                pawl,
                action: action(what, row.is_some(), payment),
            })
            .collect())
    }

    async fn keep(
        &self,
        from: OffsetDateTime,
        to: OffsetDateTime,
        sums: ByCurrency,
        drifts: Vec<DriftView>,
    ) -> Result<AuditView, AuditError> {
        let checked_at = OffsetDateTime::now_utc();
        let view = AuditView {
            object: "audit".into(),
            summary: summary(drifts.len(), checked_at),
            from,
            to,
            checked_at,
            sums: sums.into_iter().map(sums_view).collect(),
            drifts,
        };
        let report = serde_json::to_string(&view)?;
        let stored = Stored {
            signature: self.key.sign(&report),
            key_id: self.key.id(),
            report,
        };
        let drifts = i32::try_from(view.drifts.len()).unwrap_or(i32::MAX);
        let kept = audit_report::add(&self.pool, &stored, drifts, checked_at);
        postgres::within(kept).await?;
        Ok(view)
    }

    /// The newest report that was kept, and whether its signature is this key's; none where none was kept yet.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn newest(&self) -> Result<Option<(AuditView, bool)>, AuditError> {
        let Some(stored) = postgres::within(audit_report::newest(&self.pool)).await? else {
            return Ok(None);
        };
        let valid = self.key.sign(&stored.report) == stored.signature;
        Ok(Some((serde_json::from_str(&stored.report)?, valid)))
    }
}

impl Engine {
    /// The newest comparison with Stripe, with the sums and the drifts of these accounts; none before the first one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn drift(&self, scope: Scope) -> Result<Option<DriftReport>, Error> {
        let newest = postgres::within(audit_report::newest(&self.inner.pool)).await?;
        let Some(stored) = newest else {
            return Ok(None);
        };
        let mut audit: AuditView = serde_json::from_str(&stored.report)
            .map_err(|error| Error::Internal(format!("a kept audit cannot be read: {error}")))?;
        if let Some(account) = scope.account() {
            audit.sums.retain(|sums| sums.account_id.uuid() == account);
            audit
                .drifts
                .retain(|drift| drift.account_id.uuid() == account);
        }
        audit.summary = summary(audit.drifts.len(), audit.checked_at);
        Ok(Some(DriftReport {
            audit,
            signature: stored.signature,
            key_id: stored.key_id,
        }))
    }
}

fn summary(drifts: usize, checked_at: OffsetDateTime) -> String {
    let at = checked_at.format(&Rfc3339).unwrap_or_default();
    match drifts {
        1 => format!("1 drift, checked at {at}"),
        drifts => format!("{drifts} drifts, checked at {at}"),
    }
}

fn count_row(sums: &mut ByCurrency, row: &Sums) {
    let totals = sums
        .entry((row.account_id, row.currency.clone()))
        .or_default();
    totals.payments.pawl += 1;
    totals.captured.pawl += row.captured;
    totals.refunded.pawl += row.refunded;
}

fn sums_view(((account, currency), totals): ((Uuid, String), Totals)) -> SumsView {
    SumsView {
        account_id: AccountId::from_uuid(account),
        currency,
        payments: totals.payments,
        captured: totals.captured,
        refunded: totals.refunded,
        withdrawn: totals.withdrawn,
    }
}
