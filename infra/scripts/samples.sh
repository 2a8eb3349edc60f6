#!/usr/bin/env bash
# Buys a mug in each sample of docs/samples, with the services of GATEWAY_URL and AUTH_URL, as the admin of TOKEN:
#
#   target/debug/pawl services --pawl -- infra/scripts/samples.sh
#
# The TypeScript sample needs Node.js with npm, and is left out, with a message, where they are missing.
set -euo pipefail
cd "$(dirname "$0")/../../docs/samples"
work=$(mktemp -d)
server=
log=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT

post() { curl -fsS --json "$2" "${@:3}" "$1"; }
key=$(post "$AUTH_URL/api/v1/auth/api_keys" '{"name": "shop", "rate_limit_per_minute": 1200}' -H "X-API-Key: $AUTH_API_KEY" -H "Authorization: Bearer $TOKEN" | jq -er .key)

# Waits until `grep -q $1` finds something in the log of the sample.
logged() {
    for _ in $(seq 100); do
        if grep -q "$1" "$log"; then return; fi
        sleep 0.1
    done
    echo "the sample did not print \"$1\":" >&2
    cat "$log" >&2
    return 1
}

buy() {
    local name=$1 port=$2 shop=http://127.0.0.1:$2 order payment endpoint
    shift 2
    log=$work/$name.log
    : >"$log"
    endpoint=$(post "$GATEWAY_URL/api/v1/webhook_endpoints" "{\"url\": \"$shop/webhooks\", \"enabled_events\": [\"payment.*\"]}" -H "X-API-Key: $key")
    PAWL_URL=$GATEWAY_URL PAWL_API_KEY=$key PAWL_WEBHOOK_SECRET=$(jq -er .secret <<<"$endpoint") PORT=$port "$@" >"$log" 2>&1 &
    server=$!
    logged '^open '
    curl -fsS "$shop/" | grep -q 'One mug'
    order=$(post "$shop/orders" "{\"order\": \"$name-$port\"}")
    jq -e '.client_secret | length > 10' <<<"$order" >/dev/null
    payment=$(jq -er .id <<<"$order")
    # A reload of the page continues the order.
    [ "$(post "$shop/orders" "{\"order\": \"$name-$port\"}" | jq -er .id)" = "$payment" ]
    post "$shop/confirm" "{\"payment\": \"$payment\", \"payment_method\": \"pm_card_chargeDeclined\", \"click\": \"$payment-1\"}" | jq -e '.last_error.code == "card_declined"' >/dev/null
    post "$shop/confirm" "{\"payment\": \"$payment\", \"payment_method\": \"pm_card_visa\", \"click\": \"$payment-2\"}" | jq -e '.status == "succeeded"' >/dev/null
    [ "$(curl -fsS "$shop/thanks?payment=$payment" | jq -er .status)" = succeeded ]
    logged '^webhook payment.succeeded'
    if grep -q refused "$log"; then cat "$log" && return 1; fi
    # A stranger's webhook is refused.
    [ "$(curl -s -o /dev/null -w '%{http_code}' --json '{"type": "payment.succeeded"}' -H 'webhook-id: x' -H 'webhook-timestamp: 1' -H 'webhook-signature: v1,x' "$shop/webhooks")" = 401 ]
    kill $server
    wait $server 2>/dev/null || true
    curl -fsS -X DELETE "$GATEWAY_URL/api/v1/webhook_endpoints/$(jq -er .id <<<"$endpoint")" -H "X-API-Key: $key" >/dev/null
    echo "$name: declined, paid, webhook verified"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

buy python "$(free_port)" python3 shop.py
if command -v npm >/dev/null; then
    npm install --silent --no-audit --no-fund --prefix "$work" typescript@5 @types/node@22
    cp checkout.html "$work"
    cp shop.ts "$work/shop.mts"
    (cd "$work" && npx tsc --strict --target es2022 --module nodenext --types node shop.mts)
    buy typescript "$(free_port)" node "$work/shop.mjs"
else
    echo "typescript: left out, npm is missing"
fi
