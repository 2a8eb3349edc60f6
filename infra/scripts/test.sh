#!/usr/bin/env bash
# Every check and every test, from a clean clone with nothing running to a summary. `make test` and CI run this.
#
# The last line is `N passed, N failed`: the tests' own results added up, and each check that failed counted once.
set -uo pipefail
cd "$(dirname "$0")/../.."

results=$PWD/target/test
# All of docs/chaos.md.
trials=lock-payments,lock-table,swallow-gateway,swallow-worker,clock-ahead,clock-behind,rolling-restart,poison-row,flood,dead-receiver
# Exported for the part of this script that runs with the servers.
export PAWL_TEST_BEGAN=${PAWL_TEST_BEGAN:-$(date +%s)}
say() {
    local seconds=$(($(date +%s) - PAWL_TEST_BEGAN))
    printf '\n== %s  (%d:%02d)\n' "$*" $((seconds / 60)) $((seconds % 60))
}

# step NAME COMMAND...: runs the command and records a failure; the next steps run all the same.
step() {
    local name=$1
    shift
    say "$name"
    "$@" && return
    echo "$name" >>"$results/failed"
    echo "FAILED: $name"
}

summary() {
    local passed failed
    # cargo test ends each binary with: test result: ok. 12 passed; 0 failed; …
    read -r passed failed < <(sed -n 's/.*test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$results/tests.log" 2>/dev/null |
        awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
    local checks=0
    if [ -s "$results/failed" ]; then
        checks=$(wc -l <"$results/failed")
        say "failed"
        sed 's/^/  /' "$results/failed"
    fi
    say "all of it"
    # Failed tests fail their step too; they are counted once.
    if [ "$failed" -gt 0 ] && grep -qx tests "$results/failed"; then checks=$((checks - 1)); fi
    if [ "$passed" = 0 ]; then failed=$((failed + 1)) && echo "no test ran"; fi
    echo "$passed passed, $((failed + checks)) failed"
    [ $((failed + checks)) = 0 ]
}

# The simulator's tests call it with stripe-python.
tests() { PAWL_PYTHON=$PWD/.pawl/python/bin/python cargo test --workspace --no-fail-fast 2>&1 | tee "$results/tests.log"; }

# The command line of a production image: it builds without the features for development and proofs, and then holds
# neither proofs, simulator and private servers nor a service's server or Swagger's page.
production_tool() {
    local unwanted='^(proof|servers|stripe-simulator|gateway|core-service|worker-service|utoipa-swagger-ui) '
    if cargo tree --package pawl --no-default-features --edges normal --prefix none | grep -E "$unwanted" | sort -u; then
        echo "pawl depends on the above without its default features"
        return 1
    fi
    cargo clippy --package pawl --no-default-features -- -D warnings
}

deny() {
    local deny=cargo-deny
    if [ -x .pawl/tools/bin/cargo-deny ]; then deny=$PWD/.pawl/tools/bin/cargo-deny; fi
    "$deny" --log-level error check -D unmatched-skip -D unnecessary-skip licenses bans sources
}

if [ "${1:-}" = with-servers ]; then
    step "queries against the schema, and clippy" env PAWL_SQL_INSIDE=yes infra/scripts/sql.sh check
    step tests tests
    step "fault campaign" target/debug/pawl chaos --payments 200 --kills 5
    step "trials of single faults" target/debug/pawl chaos --short --trial "$trials"
    step "attack on the services" target/debug/pawl attack
    step "requests made from the API's documents" target/debug/pawl services --pawl -- infra/scripts/schemathesis.sh 80
    exit 0
fi

rm -rf "$results"
mkdir -p "$results"
say set-up
infra/scripts/setup.sh test || exit 1
step formatting cargo fmt --all --check
step "licences, duplicate versions, sources" deny
# With --all-targets, so that the features of the tests' dependencies hold from the start and nothing is built twice.
step build cargo build --workspace --all-targets
if [ -s "$results/failed" ] && grep -qx build "$results/failed"; then
    summary
    exit 1
fi
# Private servers for this run, even if the environment or .env names others.
step servers env DATABASE_URL= REDIS_URL= KAFKA_BROKERS= target/debug/pawl services -- infra/scripts/test.sh with-servers
step "Kafka by TLS" cargo test --quiet --package servers --features kafka-tls --lib kafka
step "the command line of a production image" production_tool
RUSTDOCFLAGS="-D warnings" step documentation cargo doc --workspace --no-deps --quiet
summary
