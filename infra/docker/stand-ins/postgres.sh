#!/bin/bash
# The part of the official image's entry point that infra/compose.yml uses: POSTGRES_USER, POSTGRES_PASSWORD_FILE, POSTGRES_DB.
set -eu
if [ "${1:-}" != postgres ]; then exec "$@"; fi
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl -w -o "-c listen_addresses=''" start >/dev/null
    psql -q -U "$POSTGRES_USER" -d postgres -c "create database \"$POSTGRES_DB\""
    pg_ctl -w -m fast stop >/dev/null
fi
exec "$@" -c listen_addresses='*'
