#!/usr/bin/env bash
# Shows every distinct call of a run of payments to stripe-mock, which checks it against Stripe's own description of its API.
#
# Builds stripe-mock into .pawl/tools, in seconds; without Go it says so and shows nothing. Needs DATABASE_URL and
# REDIS_URL, which `pawl services` sets.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=0.203.0
mock=$PWD/.pawl/tools/bin/stripe-mock-$version

if ! [ -x "$mock" ]; then
    if ! command -v go >/dev/null; then
        echo "stripe-mock: skipped, because Go is missing (https://go.dev, or golang-go in Debian)" >&2
        exit 0
    fi
    mkdir -p .pawl/tools/bin
    GOBIN=$PWD/.pawl/tools/bin go install "github.com/stripe/stripe-mock@v$version"
    mv .pawl/tools/bin/stripe-mock "$mock"
fi

log=$(mktemp)
"$mock" -http-addr 127.0.0.1: -https-addr 127.0.0.1: >"$log" 2>&1 &
trap 'kill $! 2>/dev/null; rm -f "$log"' EXIT
for _ in $(seq 50); do
    address=$(sed -n 's/.*Listening for HTTP at address: //p' "$log")
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "$address" ] || { cat "$log" >&2; exit 1; }
STRIPE_MOCK=http://$address cargo test --quiet -p engine --test it stripe::mock -- --nocapture
