//! The life of a job: each statement is run on a job in each situation, and takes exactly the rules of
//! `workflows::job::RULES`, which docs/machines.md draws.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use infra::testing::TestDatabase;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::edges::{Row, job_rules};
use workflows::effect::{Effect, Kind};
use workflows::job::Happening;

use super::{
    Ending, Finish, New, add, claim, claim_unsent, dead_letter, finish, put_off, quarantine,
    revive, supersede,
};
use crate::MIGRATIONS;

const LEASE: Duration = Duration::from_mins(1);

/// A job as a statement may find it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Situation {
    Due,
    Waiting,
    Leased,
    LeasedAndRequestedAgain,
    LeaseExpired,
    LeaseExpiredOften,
    Done,
    Dead,
}

use Situation::{
    Dead, Done, Due, LeaseExpired, LeaseExpiredOften, Leased, LeasedAndRequestedAgain, Waiting,
};

const SITUATIONS: [Situation; 8] = [
    Due,
    Waiting,
    Leased,
    LeasedAndRequestedAgain,
    LeaseExpired,
    LeaseExpiredOften,
    Done,
    Dead,
];

impl Situation {
    /// The columns that make it.
    fn sql(self) -> &'static str {
        match self {
            Due => "state = 'queued'",
            Waiting => "state = 'queued', due_at = now() + interval '1 hour'",
            Leased => {
                "state = 'running', lease = id, lease_until = now() + interval '1 hour', picks = 1"
            }
            LeasedAndRequestedAgain => {
                "state = 'running', lease = id, lease_until = now() + interval '1 hour', picks = 1, again = true"
            }
            LeaseExpired => {
                "state = 'running', lease = id, lease_until = now() - interval '1 hour', picks = 1"
            }
            LeaseExpiredOften => {
                "state = 'running', lease = id, lease_until = now() - interval '1 hour', picks = 21"
            }
            Done => "state = 'done', finished_at = now()",
            Dead => "state = 'dead', unknown = true",
        }
    }

    fn is_running(self) -> bool {
        !matches!(self, Due | Waiting | Done | Dead)
    }
}

/// A statement, or the statements of one transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Claim,
    AddAnother,
    Finish,
    Retry,
    Snooze,
    DeadLetter,
    RefuseResult,
    Quarantine,
    Supersede,
    SendAgain,
    PutOff,
    Cancel,
}

const OPERATIONS: [Operation; 12] = [
    Operation::Claim,
    Operation::AddAnother,
    Operation::Finish,
    Operation::Retry,
    Operation::Snooze,
    Operation::DeadLetter,
    Operation::RefuseResult,
    Operation::Quarantine,
    Operation::Supersede,
    Operation::SendAgain,
    Operation::PutOff,
    Operation::Cancel,
];

impl Operation {
    /// The rule that it takes in a situation; none where it must leave the job alone.
    fn expected(self, found: Situation) -> Option<Happening> {
        let running = |kind| found.is_running().then_some(kind);
        match self {
            Self::Claim => match found {
                Due => Some(Happening::Claimed),
                LeaseExpired | LeaseExpiredOften => Some(Happening::TakenOver),
                _ => None,
            },
            Self::AddAnother => (!matches!(found, Done | Dead)).then_some(Happening::Coalesced),
            Self::Finish if found == LeasedAndRequestedAgain => Some(Happening::RunAgain),
            Self::Finish => running(Happening::Finished),
            Self::Retry => running(Happening::Retried),
            Self::Snooze => running(Happening::Snoozed),
            Self::DeadLetter | Self::RefuseResult => running(Happening::DeadLettered),
            Self::Quarantine => (found == LeaseExpiredOften).then_some(Happening::Quarantined),
            Self::Supersede => (found != Done).then_some(Happening::Superseded),
            Self::SendAgain => (found == Dead).then_some(Happening::SentAgain),
            Self::PutOff => matches!(found, Due | Waiting).then_some(Happening::PutOff),
            Self::Cancel => matches!(found, Due | Waiting).then_some(Happening::Canceling),
        }
    }

    async fn run(self, world: &World, job: &New) {
        let mut connection = world.database.pool().acquire().await.unwrap();
        let again = |sent| Finish::Again {
            after: Duration::from_secs(9),
            error: "no answer".to_owned(),
            unknown: sent,
            sent,
        };
        let dead = Finish::Dead {
            error: "impossible".to_owned(),
        };
        match self {
            Self::Claim => {
                let pool = world.database.pool();
                claim(pool, &[job.id], LEASE).await.unwrap();
            }
            Self::AddAnother => {
                world
                    .add(&New::from_effect(job.payment, job.effect.clone()))
                    .await;
            }
            Self::Finish => world.finish(&mut connection, job, &Finish::Done).await,
            Self::Retry => world.finish(&mut connection, job, &again(true)).await,
            Self::Snooze => world.finish(&mut connection, job, &again(false)).await,
            Self::DeadLetter => world.finish(&mut connection, job, &dead).await,
            Self::RefuseResult => {
                let held = world.end(&mut connection, job, &Finish::Done).await;
                if held {
                    let error = "its result was refused";
                    dead_letter(&mut connection, job.id, error).await.unwrap();
                }
            }
            Self::Quarantine => {
                quarantine(world.database.pool()).await.unwrap();
            }
            Self::Supersede => supersede(&mut connection, &[job.payment]).await.unwrap(),
            Self::PutOff => {
                let until = OffsetDateTime::now_utc() + LEASE * 2;
                put_off(&mut connection, job.id, None, until).await.unwrap();
            }
            Self::Cancel => {
                let pool = world.database.pool();
                claim_unsent(pool, job.id, None, LEASE).await.unwrap();
            }
            Self::SendAgain => {
                revive(&mut connection, Some(world.account), job.id, None)
                    .await
                    .unwrap();
            }
        }
    }
}

struct World {
    database: TestDatabase,
    account: Uuid,
}

impl World {
    async fn create() -> Self {
        Self {
            database: TestDatabase::create(&MIGRATIONS).await,
            account: Uuid::now_v7(),
        }
    }

    fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    async fn payment(&self) -> Uuid {
        let id = Uuid::now_v7();
        sqlx::query(
            "insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, created_at, updated_at)
             values ($1, $2, 'succeeded', 1, 100, 'eur', 'automatic', true, now(), now())",
        )
        .bind(id)
        .bind(self.account)
        .execute(self.pool())
        .await
        .unwrap();
        id
    }

    async fn add(&self, job: &New) {
        let mut connection = self.pool().acquire().await.unwrap();
        let jobs = std::slice::from_ref(job);
        let now = OffsetDateTime::now_utc();
        add(&mut connection, jobs, now, LEASE).await.unwrap();
    }

    async fn finish(&self, connection: &mut PgConnection, job: &New, ending: &Finish) {
        self.end(connection, job, ending).await;
    }

    /// Ends the job under the lease that [`Situation::sql`] gives it; says whether the lease was valid.
    async fn end(&self, connection: &mut PgConnection, job: &New, ending: &Finish) -> bool {
        let ending = Ending {
            id: job.id,
            lease: job.id,
            finish: ending,
            calls: &[],
        };
        let held = finish(connection, &[ending]).await.unwrap();
        held.contains_key(&job.id)
    }

    async fn row(&self, job: &New) -> Value {
        sqlx::query_scalar("select to_jsonb(job) from job where id = $1")
            .bind(job.id)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }
}

type Seen = BTreeSet<(String, &'static str, String)>;

fn all_rules() -> Seen {
    let pairs = |rule: Row| {
        let kind = rule.kind;
        let ends = rule.ends().into_iter();
        ends.map(move |(from, to)| (from.to_owned(), kind, to.to_owned()))
    };
    job_rules().into_iter().flat_map(pairs).collect()
}

#[tokio::test]
async fn a_job_goes_by_the_rules_of_its_table_and_by_no_other() {
    let world = World::create().await;
    let mut seen = Seen::new();
    for operation in OPERATIONS {
        for found in SITUATIONS {
            // Only an exclusive call is superseded, and only a resync is coalesced.
            let effect = match operation {
                Operation::Supersede => Effect::CreateIntent,
                _ => Effect::Resync,
            };
            let job = New::from_effect(world.payment().await, effect);
            world.add(&job).await;
            let update = format!("update job set {} where id = $1", found.sql());
            sqlx::query(AssertSqlSafe(update))
                .bind(job.id)
                .execute(world.pool())
                .await
                .unwrap();
            let before = world.row(&job).await;
            operation.run(&world, &job).await;
            let after = world.row(&job).await;
            match operation.expected(found) {
                None => assert_eq!(before, after, "{operation:?} of a job that is {found:?}"),
                Some(kind) => {
                    let state = |row: &Value| row["state"].as_str().unwrap().to_owned();
                    seen.insert((state(&before), kind.as_str(), state(&after)));
                }
            }
            // The next situation meets no other job.
            sqlx::query("delete from job")
                .execute(world.pool())
                .await
                .unwrap();
        }
    }
    for leased in [false, true] {
        let mut job = New::from_effect(world.payment().await, Effect::CreateIntent);
        let kind = if leased {
            job.lease();
            Happening::Claimed
        } else {
            Happening::Added
        };
        world.add(&job).await;
        let state = world.row(&job).await["state"].as_str().unwrap().to_owned();
        seen.insert(("none".to_owned(), kind.as_str(), state));
    }
    assert_eq!(seen, all_rules());
}

#[tokio::test]
async fn a_job_that_a_process_with_a_wrong_clock_adds_is_due_at_once() {
    let world = World::create().await;
    let hour = time::Duration::hours(1);
    for wrong in [
        OffsetDateTime::now_utc() + hour,
        OffsetDateTime::now_utc() - hour,
    ] {
        let job = New::from_effect(world.payment().await, Effect::CreateIntent);
        let mut connection = world.pool().acquire().await.unwrap();
        let jobs = std::slice::from_ref(&job);
        add(&mut connection, jobs, wrong, LEASE).await.unwrap();
        let claimed = claim(world.pool(), &[job.id], LEASE).await.unwrap();
        assert_eq!(claimed.len(), 1, "{wrong}");
    }
}

#[tokio::test]
async fn a_snooze_is_no_try_and_a_retry_is_one() {
    let world = World::create().await;
    for (operation, tries) in [(Operation::Snooze, 0), (Operation::Retry, 1)] {
        let job = New::from_effect(world.payment().await, Effect::CreateIntent);
        world.add(&job).await;
        let update = format!("update job set {} where id = $1", Leased.sql());
        sqlx::query(AssertSqlSafe(update))
            .bind(job.id)
            .execute(world.pool())
            .await
            .unwrap();
        operation.run(&world, &job).await;
        assert_eq!(world.row(&job).await["tries"], tries, "{operation:?}");
    }
}

fn capture(amount: i64) -> Effect {
    Effect::CaptureIntent {
        capture: Uuid::now_v7(),
        amount,
        is_final: true,
    }
}

/// An effect of each kind. A new kind fails here until it has a sample.
fn sample(kind: Kind) -> Effect {
    let id = Uuid::now_v7();
    let effects = [
        Effect::CreateIntent,
        Effect::ConfirmIntent { attempt: id },
        capture(300),
        Effect::CancelIntent { reason: None },
        Effect::CreateRefund { refund: id },
        Effect::UpdateDispute {
            dispute: id,
            evidence: BTreeMap::new(),
            submit: true,
        },
        Effect::CloseDispute { dispute: id },
        Effect::Resync,
    ];
    let mut effects = effects.into_iter();
    effects.find(|effect| effect.kind() == kind).unwrap()
}

#[tokio::test]
async fn the_sql_and_the_code_agree_on_the_exclusive_kinds() {
    let world = World::create().await;
    for kind in Kind::all() {
        let payment = world.payment().await;
        let job = New::from_effect(payment, sample(kind));
        world.add(&job).await;
        assert_eq!(world.row(&job).await["kind"], kind.as_str());

        let other = New::from_effect(payment, capture(1));
        let mut connection = world.pool().acquire().await.unwrap();
        let added = add(&mut connection, &[other], OffsetDateTime::now_utc(), LEASE).await;
        let violated = added.err().map(|error| {
            let constraint = error.as_database_error().and_then(|it| it.constraint());
            constraint.map(str::to_owned)
        });
        let expected = kind.is_exclusive().then(|| Some("job_one_call".to_owned()));
        assert_eq!(violated, expected, "{kind} beside capture_intent");

        supersede(&mut connection, &[payment]).await.unwrap();
        let done = world.row(&job).await["state"] == "done";
        assert_eq!(done, kind.is_exclusive(), "{kind}");
    }
}
