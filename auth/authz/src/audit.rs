//! The record of who did what, and the only SQL on the table `audit`. It only grows, and no password or token is in it.

use std::net::IpAddr;

use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Caller, Page};

/// How far an action came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is about to be done: the record stands first, so that nothing is done without one.
    Requested,
    /// It was done, in the transaction that wrote the record.
    Done,
    /// It was not done.
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

/// Something that somebody did or tried.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Whose administrators may read of it.
    pub account: Option<Uuid>,
    /// The person who acted.
    pub user: Option<Uuid>,
    /// The key that acted.
    pub key: Option<Uuid>,
    /// What was done, in the past tense where it can be: `role_changed`.
    pub action: &'a str,
    /// What it was done to: an id as clients know it.
    pub target: Option<String>,
    /// How far it came.
    pub outcome: Outcome,
    /// Why, in the words of whoever acted or of whoever refused.
    pub reason: Option<&'a str>,
    /// From where.
    pub ip: Option<IpAddr>,
}

impl<'a> Act<'a> {
    /// An act of nobody known, done.
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
            ip: None,
        }
    }

    /// The same, of this caller within its account.
    #[must_use]
    pub const fn by(mut self, caller: &Caller) -> Self {
        self.account = Some(caller.account);
        self.user = caller.user;
        self.key = caller.key;
        self
    }

    /// Writes it down, with the id of the request that is being answered. Only ids, words of ours and a reason may be in
    /// it.
    ///
    /// # Errors
    /// If the database refuses or is away; then the act must not be done.
    pub async fn record(self, executor: impl PgExecutor<'_>) -> sqlx::Result<()> {
        let request = infra::http::request_id();
        sqlx::query!(
            "insert into audit (id, account_id, user_id, api_key_id, action, target, outcome, reason, ip, request_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            Uuid::now_v7(),
            self.account,
            self.user,
            self.key,
            self.action,
            self.target,
            self.outcome.as_str(),
            self.reason,
            self.ip.map(|ip| ip.to_string()),
            request.as_ref().map(infra::http::RequestId::as_str),
        )
        .execute(executor)
        .await
        .map(drop)
    }
}

/// A record as it stands.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id, later in order than those before.
    pub id: Uuid,
    /// The person who acted.
    pub user_id: Option<Uuid>,
    /// The key that acted.
    pub api_key_id: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub target: Option<String>,
    /// How far it came.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// When.
    pub at: OffsetDateTime,
}

/// Records of an account, newest first.
///
/// # Errors
/// If the database cannot be asked.
pub async fn page(
    executor: impl PgExecutor<'_>,
    account: Uuid,
    page: &Page,
) -> sqlx::Result<Vec<Record>> {
    sqlx::query_as!(
        Record,
        r#"select id as "id!", user_id, api_key_id, action as "action!", target, outcome as "outcome!", reason, ip,
                  request_id, at as "at!"
           from ((select * from audit where $3::uuid is null and account_id = $1 and id < $2
                  order by id desc limit $4)
                 union all
                 (select * from audit where account_id = $1 and id > $3 order by id limit $4)) page
           order by id desc"#,
        account,
        page.starting_after.unwrap_or(Uuid::max()),
        page.ending_before,
        page.limit,
    )
    .fetch_all(executor)
    .await
}
