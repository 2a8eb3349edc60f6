#!/bin/sh
# Prepares the data of sqlx's checked queries in .sqlx: a freshly migrated Postgres describes every query.
#
#   infra/scripts/sql.sh          prepares it anew
#   infra/scripts/sql.sh check    changes nothing; fails when it differs, or when clippy, which compiles everything, complains
#
# sqlx's macros write these data into SQLX_OFFLINE_DIR while they compile, so the command-line tool of sqlx is not needed.
# The database is a new one in the server of DATABASE_URL, or without it in a private server.
set -eu
cd "$(dirname "$0")/../.."
mode=${1:-prepare}

if [ "${PAWL_SQL_INSIDE:-}" = "" ]; then
    infra/scripts/setup.sh run
    # An older binary is good enough: the present code may not compile before its queries are prepared.
    [ -x target/debug/pawl ] || cargo build --package pawl
    PAWL_SQL_INSIDE=yes exec env DATABASE_URL= target/debug/pawl services --kafka mock -- "$0" "$mode"
fi

# A new database in that server.
database=pawl_sql_$$
psql -q "$DATABASE_URL" -c "create database $database"
DATABASE_URL=${DATABASE_URL%/*}/$database
export DATABASE_URL
for file in migrations/*.sql; do
    psql -q -v ON_ERROR_STOP=1 "$DATABASE_URL" -f "$file"
done

fresh=$PWD/target/sqlx
rm -rf "$fresh"
mkdir -p "$fresh"
# Cargo does not know that the database is an input: touched files are compiled again.
git ls-files '*/src/lib.rs' '*/src/main.rs' '*/tests/it/main.rs' | xargs touch

export SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh"
case $mode in
prepare)
    cargo check --workspace --all-targets
    rm -rf .sqlx
    mkdir .sqlx
    cp "$fresh"/*.json .sqlx/
    echo "sql: $(find .sqlx -name '*.json' | wc -l) queries prepared in .sqlx" >&2
    ;;
check)
    cargo clippy --workspace --all-targets -- -D warnings
    if ! diff -r "$fresh" .sqlx >&2; then
        echo 'sql: .sqlx differs from the database: run `make sql` and commit the result' >&2
        exit 1
    fi
    echo "sql: $(find .sqlx -name '*.json' | wc -l) queries agree with the schema" >&2
    ;;
esac
