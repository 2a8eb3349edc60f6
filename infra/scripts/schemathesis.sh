#!/usr/bin/env bash
# Tests the gateway and the auth service of GATEWAY_URL and AUTH_URL with requests that schemathesis generates from their
# OpenAPI documents:
#
#   target/debug/pawl services --pawl -- infra/scripts/schemathesis.sh SECONDS
#
# Half of the time for each. Fails when an answer is a 5xx or differs from what the document says.
set -uo pipefail
cd "$(dirname "$0")/../schemathesis"
seconds=${1:?how many seconds, for example 60}
python=$PWD/../../.pawl/python/bin/python
[ -x "$python" ] || { echo 'schemathesis is missing: infra/scripts/setup.sh test installs it' >&2; exit 1; }

failed=0
attack() {
    # It keeps no data of an earlier run: the same seed gives the same requests. Two workers meet a bug of CPython 3.11
    # ("AST constructor recursion depth mismatch").
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$PWD "$python" -m schemathesis.cli --config-file "$1.toml" run "$2/openapi.json" --url "$2" \
        --checks all --max-time $((seconds / 2)) --workers 1 --continue-on-failure --generation-database none \
        --request-timeout 40 --seed "${SEED:-1}" || failed=1
}
attack gateway "$GATEWAY_URL"
# A service without a document would pass every check.
attack auth "$AUTH_URL"
exit $failed
