//! The comparison of Stripe's disputes of a range with the database.

use std::collections::BTreeMap;

use contracts::audit::DriftView;
use contracts::id::PaymentId;
use infra::id::AccountId;
use infra::postgres;
use workflows::dispute::{Funds, Status};
use workflows::edges::NONE;
use workflows::stripe::Dispute;

use super::{AuditError, Auditor, ByCurrency};
use crate::record::DisputeRecord;
use crate::store::dispute;
use crate::store::payment::sums;
use crate::store::payment::sums::Sums;
use crate::stripe::EventRange;

/// A dispute about a payment of ours, as Stripe shows it and as the database has it.
struct Compared {
    shown: Dispute,
    payment: Sums,
    row: Option<DisputeRecord>,
}

impl Auditor {
    /// Compares all disputes that Stripe made in the range, and returns the ids of those that differ.
    pub(super) async fn compare_disputes(
        &self,
        range: EventRange,
        sums: &mut ByCurrency,
    ) -> Result<Vec<String>, AuditError> {
        let (mut suspects, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.stripe.list_disputes_made(range, after.as_deref());
            let page = page.await.map_err(Box::new)?;
            for compared in self.with_rows(page.objects).await? {
                compared.count(sums);
                if !compared.differences().is_empty() {
                    suspects.push(compared.shown.id);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(suspects);
            }
        }
    }

    /// Reads both sides of a dispute anew.
    pub(super) async fn compare_dispute_again(
        &self,
        id: &str,
    ) -> Result<Vec<DriftView>, AuditError> {
        let shown = self.stripe.retrieve_dispute(id).await.map_err(Box::new)?;
        let compared = self.with_rows(vec![shown.object]).await?;
        Ok(compared.iter().flat_map(Compared::drifts).collect())
    }

    /// The disputes about payments that the database knows, each with its row. Another program's are left out; of a payment of
    /// ours that the database does not know, the comparison of the intents reports the payment.
    async fn with_rows(&self, disputes: Vec<Dispute>) -> Result<Vec<Compared>, AuditError> {
        let intents: Vec<String> = disputes
            .iter()
            .filter_map(|it| it.payment_intent.clone())
            .collect();
        let ids: Vec<String> = disputes.iter().map(|it| it.id.clone()).collect();
        let read = postgres::within(async {
            let mut connection = self.pool.acquire().await?;
            let payments = sums::of_intents(&mut connection, &intents).await?;
            let rows = dispute::of_stripe(&mut connection, &ids).await?;
            Ok((payments, rows))
        });
        let (payments, rows) = read.await?;
        let payments: BTreeMap<String, Sums> = payments
            .into_iter()
            .map(|payment| (payment.intent_id.clone(), payment))
            .collect();
        let mut rows: BTreeMap<String, DisputeRecord> = rows
            .into_iter()
            .map(|row| (row.dispute.stripe_id.clone(), row))
            .collect();
        let compared = disputes.into_iter().filter_map(|shown| {
            let payment = payments.get(shown.payment_intent.as_ref()?)?.clone();
            let row = rows.remove(&shown.id);
            Some(Compared {
                shown,
                payment,
                row,
            })
        });
        Ok(compared.collect())
    }
}

impl Compared {
    /// Adds what the dispute took from the merchant's balance to the sums.
    fn count(&self, sums: &mut ByCurrency) {
        let shown = &self.shown;
        let key = (self.payment.account_id, shown.currency.clone());
        let withdrawn = &mut sums.entry(key).or_default().withdrawn;
        if Funds::of_dispute(shown) == Some(Funds::Withdrawn) {
            withdrawn.stripe += shown.amount;
        }
        let row = self.row.as_ref().map(|row| &row.dispute);
        if let Some(row) = row.filter(|row| row.funds == Some(Funds::Withdrawn)) {
            withdrawn.pawl += row.amount;
        }
    }

    /// What differs: the name of the field, and its value on both sides.
    fn differences(&self) -> Vec<(&'static str, String, String)> {
        let shown = &self.shown;
        let Some(DisputeRecord { dispute: row, .. }) = &self.row else {
            return vec![("dispute", shown.id.clone(), NONE.to_owned())];
        };
        let status = Status::of_dispute(shown.status).map_or("unknown", Status::as_str);
        let funds = |funds: Option<Funds>| funds.map_or(NONE, Funds::as_str);
        let fields = [
            ("dispute_status", status, row.status.as_str()),
            (
                "dispute_funds",
                funds(Funds::of_dispute(shown)),
                funds(row.funds),
            ),
        ];
        fields
            .into_iter()
            .filter(|(_, stripe, pawl)| stripe != pawl)
            .map(|(what, stripe, pawl)| (what, stripe.to_owned(), pawl.to_owned()))
            .collect()
    }

    fn drifts(&self) -> Vec<DriftView> {
        let payment = PaymentId::from_uuid(self.payment.id);
        let found = self.differences().into_iter();
        found
            .map(|(what, stripe, pawl)| DriftView {
                account_id: AccountId::from_uuid(self.payment.account_id),
                payment_id: payment,
                intent_id: self.payment.intent_id.clone(),
                what: what.into(),
                stripe,
                pawl,
                action: format!(
                    "Stripe is right about disputes: request POST /api/v1/ops/payments/{payment}/resync, then audit again. The \
                     dispute is {}.",
                    self.shown.id
                ),
            })
            .collect()
    }
}
