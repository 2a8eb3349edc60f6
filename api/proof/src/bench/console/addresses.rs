//! Every page of the console and every read of the operations API, with ids and words of payments that exist.

use anyhow::Result;
use contracts::id::{JobId, PaymentId};
use sqlx::PgPool;
use uuid::Uuid;

/// An address that is measured.
pub(super) struct Address {
    pub(super) name: &'static str,
    pub(super) path: String,
    /// Whether only people of the house may ask for it.
    pub(super) needs_staff: bool,
}

/// What the addresses name.
struct Sample {
    /// A payment with a refund.
    payment: PaymentId,
    /// One in the middle of the list.
    middle: PaymentId,
    dead: JobId,
    done: JobId,
    error_class: String,
    /// Of the oldest payment.
    reference: String,
    email: String,
    intent: String,
}

/// The addresses, for a database that `pawl seed` filled.
///
/// # Errors
/// The database has no payment or no job of a kind that is measured, or does not answer.
pub(super) async fn addresses(pool: &PgPool) -> Result<Vec<Address>> {
    let sample = Sample::read(pool).await?;
    let everybody = sample
        .pages()
        .into_iter()
        .chain(sample.lists())
        .map(|(name, path)| (name, path, false));
    let staff = [
        ("webhooks, waiting", "/webhooks"),
        ("webhooks, dead", "/webhooks?list=dead"),
        ("webhooks, done", "/webhooks?list=done"),
        ("API webhooks", "/api/v1/ops/webhooks"),
        ("API webhooks, done", "/api/v1/ops/webhooks?status=done"),
        ("API queues", "/api/v1/ops/queues"),
    ];
    let staff = staff.map(|(name, path)| (name, path.to_owned(), true));
    let all = everybody
        .chain(staff)
        .map(|(name, path, needs_staff)| Address {
            name,
            path,
            needs_staff,
        });
    Ok(all.collect())
}

impl Sample {
    async fn read(pool: &PgPool) -> Result<Sample> {
        let id = async |rows: &'static str| -> Result<Uuid> {
            Ok(sqlx::query_scalar(rows).fetch_one(pool).await?)
        };
        let (reference, email, intent) = sqlx::query_as(
            "select reference, customer ->> 'email', intent_id from payment order by id limit 1",
        )
        .fetch_one(pool)
        .await?;
        Ok(Sample {
            payment: id("select id from payment where amount_refunded > 0 order by id desc limit 1").await?.into(),
            middle: id("select id from payment where created_at < now() - interval '15 days' order by id desc limit 1")
                .await?
                .into(),
            dead: id("select id from job where state = 'dead' order by id desc limit 1").await?.into(),
            done: id("select id from job where state = 'done' order by id desc limit 1").await?.into(),
            error_class: sqlx::query_scalar("select error_class from job where state = 'dead' order by id desc limit 1")
                .fetch_one(pool)
                .await?,
            reference,
            email,
            intent,
        })
    }

    fn pages(&self) -> Vec<(&'static str, String)> {
        [self.payment_pages(), self.job_pages()].concat()
    }

    fn payment_pages(&self) -> Vec<(&'static str, String)> {
        let Sample {
            payment,
            middle,
            reference,
            email,
            intent,
            ..
        } = self;
        vec![
            ("overview", "/".to_owned()),
            ("payments", "/payments".to_owned()),
            (
                "payments, in the middle",
                format!("/payments?starting_after={middle}"),
            ),
            (
                "payments of a rare status",
                "/payments?status=processing".to_owned(),
            ),
            (
                "payments of no status",
                "/payments?status=local_rejected".to_owned(),
            ),
            (
                "payments of an amount",
                "/payments?from=1000&to=1100".to_owned(),
            ),
            ("payments of an order", format!("/payments?q={reference}")),
            ("payments of a customer", format!("/payments?q={email}")),
            ("payments of an intent", format!("/payments?q={intent}")),
            (
                "payments of metadata",
                "/payments?metadata=order%3D1000".to_owned(),
            ),
            ("payment", format!("/payments/{payment}")),
        ]
    }

    fn job_pages(&self) -> Vec<(&'static str, String)> {
        let Sample {
            payment,
            dead,
            done,
            error_class,
            ..
        } = self;
        vec![
            ("jobs, queued", "/jobs?state=queued".to_owned()),
            ("jobs, running", "/jobs?state=running".to_owned()),
            ("jobs, unknown", "/jobs?state=unknown".to_owned()),
            ("jobs, done", "/jobs?state=done".to_owned()),
            (
                "jobs, done, in the middle",
                format!("/jobs?state=done&starting_after={done}"),
            ),
            ("jobs, dead", "/jobs?state=dead".to_owned()),
            (
                "jobs, dead, of a kind",
                "/jobs?state=dead&kind=resync".to_owned(),
            ),
            (
                "jobs, dead, of an error",
                format!("/jobs?state=dead&error_class={error_class}"),
            ),
            (
                "jobs, dead, with a word",
                "/jobs?state=dead&error=currency".to_owned(),
            ),
            (
                "jobs of a payment",
                format!("/jobs?state=done&payment={payment}"),
            ),
            ("job, dead", format!("/jobs/{dead}")),
            ("job, done", format!("/jobs/{done}")),
            (
                "retry of many",
                "/jobs/bulk?action=retry&state=dead".to_owned(),
            ),
            ("deliveries", "/webhooks?list=deliveries".to_owned()),
            ("machines", "/machines".to_owned()),
            ("audit", "/audit".to_owned()),
        ]
    }

    fn lists(&self) -> Vec<(&'static str, String)> {
        let Sample {
            payment,
            middle,
            dead,
            error_class,
            reference,
            email,
            ..
        } = self;
        let paths = [
            ("API payments", "payments?limit=100".to_owned()),
            (
                "API payments, in the middle",
                format!("payments?limit=100&starting_after={middle}"),
            ),
            (
                "API payments of a status",
                "payments?limit=100&status=processing".to_owned(),
            ),
            (
                "API payments of an order",
                format!("payments?q={reference}"),
            ),
            ("API payments of a customer", format!("payments?q={email}")),
            (
                "API payments of metadata",
                "payments?metadata[order]=1000".to_owned(),
            ),
            ("API timeline", format!("payments/{payment}/timeline")),
            ("API jobs, queued", "jobs?state=queued&limit=100".to_owned()),
            (
                "API jobs, unknown",
                "jobs?state=unknown&limit=100".to_owned(),
            ),
            ("API jobs, done", "jobs?state=done&limit=100".to_owned()),
            ("API jobs, dead", "jobs?state=dead&limit=100".to_owned()),
            (
                "API jobs of an error",
                format!("jobs?state=dead&limit=100&error_class={error_class}"),
            ),
            ("API counts of jobs", "jobs/counts".to_owned()),
            (
                "API counts of an error",
                format!("jobs/counts?error_class={error_class}"),
            ),
            ("API errors of jobs", "jobs/errors".to_owned()),
            ("API job", format!("jobs/{dead}")),
            ("API deliveries", "deliveries".to_owned()),
            ("API machines", "machines".to_owned()),
            ("API audit", "audit".to_owned()),
        ];
        let paths = paths.into_iter();
        paths
            .map(|(name, path)| (name, format!("/api/v1/ops/{path}")))
            .collect()
    }
}
