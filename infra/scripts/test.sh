#!/usr/bin/env bash
# Every check and every test, from a clean clone with nothing running to a summary. `make test` and CI run this.
#
# The last line is `N passed, N failed`: the tests' own results added up, and each check that failed counted once.
set -uo pipefail
cd "$(dirname "$0")/../.."

results=$PWD/target/test
# Handed on to the part of this script that runs among the servers.
export PAWL_TEST_BEGAN=${PAWL_TEST_BEGAN:-$(date +%s)}
say() {
    local seconds=$(($(date +%s) - PAWL_TEST_BEGAN))
    printf '\n== %s  (%d:%02d)\n' "$*" $((seconds / 60)) $((seconds % 60))
}

# step NAME COMMAND...: runs it and remembers a failure, so that one broken check does not hide the next.
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
    # Broken tests fail the step that ran them as well; they are not counted twice.
    if [ "$failed" -gt 0 ] && grep -qx tests "$results/failed"; then checks=$((checks - 1)); fi
    if [ "$passed" = 0 ]; then failed=$((failed + 1)) && echo "no test ran"; fi
    echo "$passed passed, $((failed + checks)) failed"
    [ $((failed + checks)) = 0 ]
}

# The simulator's tests let stripe-python talk to it.
tests() { PAWL_PYTHON=$PWD/.pawl/python/bin/python cargo test --workspace --no-fail-fast 2>&1 | tee "$results/tests.log"; }

deny() {
    local deny=cargo-deny
    if [ -x .pawl/tools/bin/cargo-deny ]; then deny=$PWD/.pawl/tools/bin/cargo-deny; fi
    "$deny" --log-level error check -D unmatched-skip -D unnecessary-skip licenses bans sources
}

if [ "${1:-}" = with-servers ]; then
    step "queries against the schema, and clippy" env PAWL_SQL_INSIDE=yes infra/scripts/sql.sh check
    step tests tests
    step "fault campaign" target/debug/pawl chaos --payments 200 --kills 5
    step "attack on the doors" target/debug/pawl attack
    step "requests made from the API's documents" target/debug/pawl services --doors -- infra/scripts/schemathesis.sh 80
    exit 0
fi

rm -rf "$results"
mkdir -p "$results"
say set-up
infra/scripts/setup.sh test || exit 1
step formatting cargo fmt --all --check
step "licences, duplicate versions, sources" deny
# With the features of the tests' own dependencies from the start: otherwise everything would be built twice.
step build cargo build --workspace --all-targets
if [ -s "$results/failed" ] && grep -qx build "$results/failed"; then
    summary
    exit 1
fi
# Servers of this test alone, whatever the environment or .env names.
step servers env DATABASE_URL= REDIS_URL= KAFKA_BROKERS= target/debug/pawl services -- infra/scripts/test.sh with-servers
RUSTDOCFLAGS="-D warnings" step documentation cargo doc --workspace --no-deps --quiet
summary
