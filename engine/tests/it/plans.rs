//! How Postgres executes each statement of Pawl when its tables hold many rows: by an index, and without sorting them.

use std::fs;
use std::path::Path;

use engine::MIGRATIONS;
use infra::testing::TestDatabase;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

const FILL: &str = include_str!("plans/fill.sql");

/// Tables that do not grow with payments or accounts.
const SMALL: [&str; 6] = [
    "audit_turn",
    "edge",
    "event_cursor",
    "queue_pause",
    "switch",
    "signing_key",
];

/// Parts of statements that may read a whole table, and why.
const READ_ALL: [(&str, &str); 6] = [
    (
        "from audit_report order by id desc limit 1",
        "it reads the last entry of the index and stops",
    ),
    (
        "select created_at from payment order by id desc limit 1",
        "it reads the last entry of the index and stops",
    ),
    (
        "select id from account where name = $1",
        "a command of an operator asks for it, once",
    ),
    (
        "from staff order by user_id",
        "the people of the house are few",
    ),
    (
        "from queue_pause order by kind",
        "it has a row for each kind of jobs at most",
    ),
    (
        "from outbox limit 100000",
        "a gauge, which counts what waits up to a bound",
    ),
];

/// A sort of more rows than this, and of more than its answer has, is refused.
const SORTED: u64 = 500;

/// Statements whose cost must not grow with the stored rows: a part of the text, and typical parameters.
const CONSTANT: [(&str, &str); 21] = [
    (
        "order by account_id desc, id desc limit $9",
        "account_of(0), uuid_nil, uuid_max, null, 0, 1000000, '2000-01-01', '3000-01-01', 11",
    ),
    (
        "order by account_id, id limit $9",
        "account_of(0), uuid_nil, uuid_max, null, 0, 1000000, '2000-01-01', '3000-01-01', 11",
    ),
    (
        "where account_id = $1 and reference = $2\n               and case",
        "account_of(70), md5('70'), uuid_nil, uuid_max, null, 0, 1000000, '2000-01-01', '3000-01-01', 11, false",
    ),
    (
        "with tagged as materialized",
        "account_of(70), uuid_nil, uuid_max, null, null, 0, 1000000, '2000-01-01', '3000-01-01', 11, '{\"order\": \"70\"}', false",
    ),
    (
        "where payment_id = any($1) order by r.id",
        "array[numbered(70, 'payment')]",
    ),
    (
        "from refund\n         where (account_id, id) > ($1, $2) and (account_id, id) < ($1, $3)\n               and case when ($4::text is null or status = $4) and created_at >= $5 and created_at < $6\n                        then true else false end\n         order by account_id desc",
        "account_of(0), uuid_nil, uuid_max, null, '2000-01-01', '3000-01-01', 11",
    ),
    (
        "then true else false end\n         order by account_id, id limit $7",
        "account_of(0), uuid_nil, uuid_max, null, '2000-01-01', '3000-01-01', 11",
    ),
    (
        "from capture where payment_id = any($1)",
        "array[numbered(70, 'payment'), numbered(71, 'payment')]",
    ),
    (
        "status = wanted.status and id < $3",
        "numbered(70, 'webhook_endpoint'), array['pending', 'failed', 'delivered', 'skipped'], uuid_max, 11",
    ),
    (
        "from ((select * from audit",
        "account_of(0), uuid_max, null, 11",
    ),
    (
        "from audit where id > $1 order by id limit $2",
        "uuid_nil, 11",
    ),
    (
        "from audit where id < $1 order by id desc limit $2",
        "uuid_max, 11",
    ),
    (
        "order by due_at, id limit $7",
        "null, null, null, null, uuid_nil, uuid_max, 11, null",
    ),
    (
        "where state = 'dead' and id > $4",
        "null, null, null, uuid_nil, uuid_max, 11",
    ),
    (
        "where state = 'dead' and error_class = $7",
        "null, null, null, uuid_nil, uuid_max, 11, error_class(md5('502'))",
    ),
    ("as theirs order by id limit 200", "numbered(70, 'payment')"),
    (
        "from inbox_result where payment_id = $1) as s",
        "numbered(70, 'payment'), 500",
    ),
    (
        "select created_at from outbox where shard = $1 order by seq limit 1",
        "1",
    ),
    (
        "from ((select * from membership",
        "account_of(0), uuid_max, null, 11",
    ),
    (
        "from ((select * from api_key",
        "account_of(0), uuid_max, null, 11",
    ),
    (
        "select * from payment where id = any($1) order by id for update",
        "array[numbered(70, 'payment'), numbered(71, 'payment')]",
    ),
];

#[tokio::test]
async fn no_statement_gets_dearer_with_the_number_of_stored_payments() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    // Of the pool, because the services plan with the settings that a pool sets.
    let mut connection = database.pool().acquire().await.unwrap();
    execute(&mut connection, "set statement_timeout = 0").await;
    execute(&mut connection, FILL).await;
    let statements = statements();

    execute(&mut connection, "call fill(0, 2000)").await;
    execute(&mut connection, "vacuum analyze").await;
    let few = buffers(&mut connection, &statements).await;
    execute(&mut connection, "call fill(2001, 20000)").await;
    execute(&mut connection, "vacuum analyze").await;
    let many = buffers(&mut connection, &statements).await;

    let mut faults = Vec::new();
    for ((text, _), (few, many)) in CONSTANT.iter().zip(few.iter().zip(&many)) {
        if *many > few * 3 / 2 + 12 {
            faults.push(format!(
                "reads {few} pages of 2,000 payments, {many} of 20,000: …{text}…"
            ));
        }
    }
    for (number, statement) in statements.iter().enumerate() {
        let name = format!("every_{number}");
        prepare(&mut connection, &name, &statement.text).await;
        let parameters = vec!["null"; statement.parameters].join(", ");
        let plan = explain(&mut connection, "", &name, &parameters).await;
        if READ_ALL
            .iter()
            .any(|(part, _)| statement.text.contains(part))
        {
            continue;
        }
        let mut found = Vec::new();
        inspect(&plan["Plan"], None, &mut found);
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{fault}: {}", statement.text)),
        );
    }
    // An index without a condition is read from end to end, unless it is a partial one: those hold what waits.
    let partial = partial_indexes(&mut connection).await;
    faults.retain(|fault| {
        !partial
            .iter()
            .any(|index| fault.contains(&format!("all of the index {index}:")))
    });
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    for (part, _) in READ_ALL {
        assert!(
            statements.iter().any(|it| it.text.contains(part)),
            "no statement has this text any more: {part}"
        );
    }
}

/// A statement that sqlx checked when Pawl was built.
struct Statement {
    text: String,
    parameters: usize,
}

fn statements() -> Vec<Statement> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.sqlx");
    let files = fs::read_dir(folder).unwrap();
    let mut statements: Vec<Statement> = files
        .map(|file| {
            let checked: Value =
                serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            Statement {
                text: checked["query"].as_str().unwrap().to_owned(),
                parameters: checked["describe"]["parameters"]["Left"]
                    .as_array()
                    .unwrap()
                    .len(),
            }
        })
        .collect();
    assert!(statements.len() > 100, "only {}", statements.len());
    statements.sort_by(|a, b| a.text.cmp(&b.text));
    statements
}

/// The pages that each statement of [`CONSTANT`] reads.
async fn buffers(connection: &mut PgConnection, statements: &[Statement]) -> Vec<u64> {
    let mut pages = Vec::new();
    for (number, (part, parameters)) in CONSTANT.iter().enumerate() {
        let statement = statements
            .iter()
            .find(|statement| statement.text.contains(part))
            .unwrap_or_else(|| panic!("no statement has this text any more: {part}"));
        let parameters = parameters
            .replace("uuid_nil", "'00000000-0000-0000-0000-000000000000'")
            .replace("uuid_max", "'ffffffff-ffff-ffff-ffff-ffffffffffff'");
        let name = format!("constant_{number}");
        prepare(connection, &name, &statement.text).await;
        let plan = explain(connection, "analyze, buffers, ", &name, &parameters).await;
        execute(connection, &format!("deallocate {name}")).await;
        let read = |key: &str| plan["Plan"][key].as_u64().unwrap();
        pages.push(read("Shared Hit Blocks") + read("Shared Read Blocks"));
        assert!(
            plan["Plan"]["Actual Rows"].as_f64().unwrap() > 0.0,
            "these parameters find nothing: {part}"
        );
    }
    pages
}

/// Whether the index is the primary key of a small table.
fn is_small(index: &str) -> bool {
    let table = index.strip_suffix("_pkey");
    table.is_some_and(|table| SMALL.contains(&table))
}

/// What a node of a plan and the nodes below it read or sort without need.
fn inspect(node: &Value, limit: Option<u64>, faults: &mut Vec<String>) {
    let kind = node["Node Type"].as_str().unwrap();
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let rows = |node: &Value| node["Plan Rows"].as_u64().unwrap();
    match kind {
        "Seq Scan" if !SMALL.contains(&text("Relation Name")) => {
            faults.push(format!("reads all of the table {}", text("Relation Name")));
        }
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan"
            if node["Index Cond"].is_null() && !is_small(text("Index Name")) =>
        {
            faults.push(format!("reads all of the index {}", text("Index Name")));
        }
        "Sort" => {
            let sorted = rows(&node["Plans"][0]);
            if sorted > SORTED && limit.is_none_or(|limit| sorted > 2 * limit) {
                faults.push(format!("sorts about {sorted} rows by {}", node["Sort Key"]));
            }
        }
        _ => {}
    }
    let limit = (kind == "Limit").then(|| rows(node)).or(limit);
    for below in node["Plans"].as_array().into_iter().flatten() {
        inspect(below, limit, faults);
    }
}

async fn partial_indexes(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar("select indexrelid::regclass::text from pg_index where indpred is not null")
        .fetch_all(connection)
        .await
        .unwrap()
}

async fn prepare(connection: &mut PgConnection, name: &str, statement: &str) {
    execute(connection, &format!("prepare {name} as {statement}")).await;
}

/// The plan of a prepared statement.
async fn explain(
    connection: &mut PgConnection,
    options: &str,
    name: &str,
    parameters: &str,
) -> Value {
    let parameters = if parameters.is_empty() {
        String::new()
    } else {
        format!("({parameters})")
    };
    let explain = format!("explain ({options}format json) execute {name}{parameters}");
    let row = sqlx::raw_sql(AssertSqlSafe(explain))
        .fetch_one(connection)
        .await
        .unwrap();
    let mut plan: Value = row.get(0);
    plan[0].take()
}

async fn execute(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}
