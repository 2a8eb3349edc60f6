//! The audit: a record of each action and its actor, and the only SQL on the table `audit`.
//!
//! Records are only added. None holds a password or a token.

use std::net::IpAddr;

use infra::http::page::Page;
use serde_json::Value;
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Caller;

/// The outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The action follows: the record is written first, so that no action is without one.
    Requested,
    /// The action was done, in the transaction that wrote the record.
    Done,
    /// The action was refused.
    Refused,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// An action that a caller did or tried.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// The account whose admins may read the record.
    pub account: Option<Uuid>,
    /// The person who acted.
    pub user: Option<Uuid>,
    /// The key that acted.
    pub key: Option<Uuid>,
    /// The action, in the past tense where possible: `role_changed`.
    pub action: &'a str,
    /// The thing it was done to: an id as clients know it.
    pub target: Option<String>,
    /// Its outcome.
    pub outcome: Outcome,
    /// The reason that the actor gave, or the reason of a refusal.
    pub reason: Option<&'a str>,
    /// What the thing was like before the action: ids, states and numbers, never a secret.
    pub before: Option<Value>,
    /// What it was like after it.
    pub after: Option<Value>,
    /// The address of the client.
    pub ip: Option<IpAddr>,
}

impl<'a> Act<'a> {
    /// An action that was done, without an actor.
    #[must_use]
    pub const fn new(action: &'a str) -> Self {
        Self {
            account: None,
            user: None,
            key: None,
            action,
            target: None,
            outcome: Outcome::Done,
            reason: None,
            before: None,
            after: None,
            ip: None,
        }
    }

    /// The same action of this caller, in the caller's account.
    #[must_use]
    pub const fn by(mut self, caller: &Caller) -> Self {
        self.account = Some(caller.account);
        self.user = caller.user;
        self.key = caller.key;
        self
    }

    /// The record of its request, which is written before it, with what the thing is like then.
    #[must_use]
    pub fn requested(&self, before: Value) -> Self {
        Self {
            outcome: Outcome::Requested,
            before: Some(before),
            ..self.clone()
        }
    }

    /// The record of its end: what the thing is like now, or why nothing was done.
    #[must_use]
    pub fn ended<'b>(&'b self, end: Result<Value, &'b str>) -> Act<'b> {
        match end {
            Ok(after) => Act {
                after: Some(after),
                ..self.clone()
            },
            Err(refusal) => Act {
                outcome: Outcome::Refused,
                reason: Some(refusal),
                ..self.clone()
            },
        }
    }

    /// Writes the record, with the id of the request that this task answers. It may hold only ids, Pawl's own words and a
    /// reason.
    ///
    /// # Errors
    /// If the database fails; then the action must not be done.
    pub async fn record(self, executor: impl PgExecutor<'_>) -> sqlx::Result<()> {
        let request = infra::http::request_id();
        sqlx::query!(
            "insert into audit (id, account_id, user_id, api_key_id, action, target, outcome, reason, before, after, ip, request_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            Uuid::now_v7(),
            self.account,
            self.user,
            self.key,
            self.action,
            self.target,
            self.outcome.as_str(),
            self.reason,
            self.before,
            self.after,
            self.ip.map(|ip| ip.to_string()),
            request.as_ref().map(infra::http::RequestId::as_str),
        )
        .execute(executor)
        .await
        .map(drop)
    }
}

/// A record of the table.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id; ids grow with time.
    pub id: Uuid,
    /// The account that it concerns, if one does.
    pub account_id: Option<Uuid>,
    /// The person who acted.
    pub user_id: Option<Uuid>,
    /// The key that acted.
    pub api_key_id: Option<Uuid>,
    /// The action.
    pub action: String,
    /// The thing it was done to.
    pub target: Option<String>,
    /// Its outcome.
    pub outcome: String,
    /// The reason.
    pub reason: Option<String>,
    /// What the thing was like before the action.
    pub before: Option<Value>,
    /// What it was like after it.
    pub after: Option<Value>,
    /// The address of the client.
    pub ip: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The time.
    pub at: OffsetDateTime,
}

/// A page of an account's records, newest first, and whether more follow.
///
/// # Errors
/// If the database query fails.
pub async fn page(
    executor: impl PgExecutor<'_>,
    account: Uuid,
    page: &Page<Uuid>,
) -> sqlx::Result<(Vec<Record>, bool)> {
    let rows = sqlx::query_as!(
        Record,
        r#"select id as "id!", account_id, user_id, api_key_id, action as "action!", target, outcome as "outcome!", reason,
                  before, after, ip, request_id, at as "at!"
           from ((select * from audit where $3::uuid is null and account_id = $1 and id < $2
                  order by id desc limit $4)
                 union all
                 (select * from audit where account_id = $1 and id > $3 order by id limit $4)) page
           order by case when $3::uuid is null then id end desc, id"#,
        account,
        page.starting_after.unwrap_or(Uuid::max()),
        page.ending_before,
        page.rows(),
    )
    .fetch_all(executor)
    .await?;
    Ok(page.cut(rows))
}

/// [`page`] of the records of all accounts and of none.
///
/// # Errors
/// If the database query fails.
pub async fn page_of_all(
    executor: impl PgExecutor<'_>,
    page: &Page<Uuid>,
) -> sqlx::Result<(Vec<Record>, bool)> {
    // Two statements, so that each reads its index in order and sorts nothing.
    let rows = if let Some(before) = page.ending_before {
        sqlx::query_as!(
            Record,
            r#"select id, account_id, user_id, api_key_id, action, target, outcome, reason, before, after, ip, request_id, at
               from audit where id > $1 order by id limit $2"#,
            before,
            page.rows(),
        )
        .fetch_all(executor)
        .await?
    } else {
        sqlx::query_as!(
            Record,
            r#"select id, account_id, user_id, api_key_id, action, target, outcome, reason, before, after, ip, request_id, at
               from audit where id < $1 order by id desc limit $2"#,
            page.starting_after.unwrap_or(Uuid::max()),
            page.rows(),
        )
        .fetch_all(executor)
        .await?
    };
    Ok(page.cut(rows))
}
