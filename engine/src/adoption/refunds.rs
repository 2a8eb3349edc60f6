//! Refunds and disputes that Stripe made after the restored moment.

use std::collections::{HashMap, HashSet};

use contracts::id::PaymentId;
use infra::postgres;
use sqlx::PgConnection;
use uuid::Uuid;
use workflows::refund::Status;
use workflows::stripe::{Dispute, PAYMENT_ID, REFUND_ID, Refund, id_of};

use super::{Adopter, Adoption, AdoptionError, PAYMENTS, ask, count, keep};
use crate::record::RefundRecord;
use crate::request::{Answer, RequestMark};
use crate::store::{dispute, job, payment, refund};
use crate::stripe::EventRange;

/// The refunds that the database knows, with their accounts, by Stripe's ids.
type Known = HashMap<String, (Uuid, RefundRecord)>;

impl Adopter {
    /// Has the payments compared whose refunds and disputes Stripe made in the range and the database does not show. A payment
    /// that is adopted is compared in any case.
    ///
    /// # Errors
    /// [`AdoptionError`].
    pub async fn adopt_refunds(
        &self,
        range: EventRange,
        done: &mut Adoption,
    ) -> Result<(), AdoptionError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.stripe.list_refunds_made(range, after.as_deref());
            let page = page.await.map_err(Box::new)?;
            let asked = postgres::within(self.ask_for_refunds(&page.objects));
            done.add(asked.await?);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        loop {
            let page = self.stripe.list_disputes_made(range, after.as_deref());
            let page = page.await.map_err(Box::new)?;
            let asked = postgres::within(self.ask_for_disputes(&page.objects));
            done.add(asked.await?);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Keeps the answers to the requests that made the refunds of the range, and counts in [`Adoption::awaited`] those that no
    /// worker has read from Stripe yet.
    ///
    /// # Errors
    /// [`AdoptionError`].
    pub async fn keep_answers_of_refunds(
        &self,
        range: EventRange,
        done: &mut Adoption,
    ) -> Result<(), AdoptionError> {
        done.awaited = 0;
        let mut after: Option<String> = None;
        loop {
            let page = self.stripe.list_refunds_made(range, after.as_deref());
            let page = page.await.map_err(Box::new)?;
            let kept = postgres::within(self.keep_page_of_answers(&page.objects));
            done.add(kept.await?);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn ask_for_refunds(&self, shown: &[Refund]) -> sqlx::Result<Adoption> {
        let mut next = Adoption::default();
        let mut transaction = self.pool.begin().await?;
        let known = known(&mut transaction, shown).await?;
        let is_news = |it: &&Refund| match known.get(&it.id) {
            Some((_, record)) => {
                Status::of_refund(it.status).is_some_and(|status| status != record.refund.status)
            }
            None => true,
        };
        let news: Vec<&Refund> = shown.iter().filter(is_news).collect();
        let (ids, made): (Vec<Uuid>, Vec<i64>) = news
            .iter()
            .filter_map(|it| Some((id_of(it.metadata.get(REFUND_ID)?)?, it.created)))
            .unzip();
        job::note_refunds_made(&mut transaction, &ids, &made).await?;
        let intents = news.iter().filter_map(|it| it.payment_intent.clone());
        ask_for_intents(&mut transaction, intents.collect(), &mut next).await?;
        next.seen += count(
            shown
                .iter()
                .filter(|it| it.metadata.contains_key(REFUND_ID)),
        );
        self.end(transaction).await?;
        Ok(next)
    }

    async fn ask_for_disputes(&self, shown: &[Dispute]) -> sqlx::Result<Adoption> {
        let mut next = Adoption::default();
        let mut transaction = self.pool.begin().await?;
        let ids: Vec<String> = shown.iter().map(|it| it.id.clone()).collect();
        let known = dispute::of_stripe(&mut transaction, &ids).await?;
        let known: HashSet<&str> = known
            .iter()
            .map(|it| it.dispute.stripe_id.as_str())
            .collect();
        let news = shown.iter().filter(|it| !known.contains(it.id.as_str()));
        let intents = news.filter_map(|it| it.payment_intent.clone());
        ask_for_intents(&mut transaction, intents.collect(), &mut next).await?;
        self.end(transaction).await?;
        Ok(next)
    }

    async fn keep_page_of_answers(&self, shown: &[Refund]) -> sqlx::Result<Adoption> {
        let mut next = Adoption::default();
        let mut transaction = self.pool.begin().await?;
        let known = known(&mut transaction, shown).await?;
        let mut answers = Vec::new();
        let mut awaited = Vec::new();
        for it in shown {
            let Some(mark) = RequestMark::in_metadata(&it.metadata) else {
                continue;
            };
            let Some((account, record)) = known.get(&it.id) else {
                awaited.extend(it.metadata.get(PAYMENT_ID).and_then(|text| id_of(text)));
                continue;
            };
            let payment = PaymentId::from_uuid(record.payment);
            let request = mark.request(*account, format!("{PAYMENTS}/{payment}/refunds"));
            answers.extend(request.map(|request| (request, Answer::of_refund(record))));
        }
        // No worker reads the refunds of a payment that is not ours.
        let ours = payment::existing(&mut transaction, &awaited).await?;
        next.awaited += count(awaited.iter().filter(|id| ours.contains(id)));
        keep(&mut transaction, &answers, &mut next).await?;
        self.end(transaction).await?;
        Ok(next)
    }
}

async fn known(connection: &mut PgConnection, shown: &[Refund]) -> sqlx::Result<Known> {
    let ids: Vec<String> = shown.iter().map(|it| it.id.clone()).collect();
    let rows = refund::of_stripe(connection, &ids).await?;
    let named = rows.into_iter().filter_map(|(account, record)| {
        Some((record.refund.stripe_id.clone()?, (account, record)))
    });
    Ok(named.collect())
}

/// Asks for a comparison of the payments of these intents; intents of other programs have none.
async fn ask_for_intents(
    connection: &mut PgConnection,
    intents: Vec<String>,
    done: &mut Adoption,
) -> sqlx::Result<()> {
    let payments = payment::find_by_intents(connection, &intents).await?;
    let payments: Vec<Uuid> = payments.into_values().collect();
    ask(connection, &payments, done).await
}
