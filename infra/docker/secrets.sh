#!/bin/sh
# The secrets of compose.yml, each a file in a volume of its own kind.
#
#   write   writes those that do not exist; those that the environment gives (Stripe's and AUTH_API_KEYS) replace the earlier ones
#   show    prints what a person needs: the key of the auth service, and the address of the database for programs on this machine
set -eu
umask 022

random() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
# put FILE VALUE: replaces the file at once, so that no reader finds half of it. Its volume is what protects it.
put() { printf '%s\n' "$2" >"$1.new" && chmod 444 "$1.new" && mv -f "$1.new" "$1"; }
# keep FILE GIVEN GENERATED: the value that was given; without one, the file as it is or a generated value.
keep() {
    if [ -n "$2" ]; then put "$1" "$2"; elif [ ! -s "$1" ]; then put "$1" "$3"; fi
}

case ${1:-write} in
write)
    case ${STRIPE_API_KEY:-} in sk_live_* | rk_live_*)
        case "${AUTH_API_KEYS:-} ${STRIPE_WEBHOOK_SECRET:-}" in *pawl_demo* | *changeme*)
            echo 'secrets: STRIPE_API_KEY is a live key and another secret is a public demonstration value: replace it' >&2
            exit 1
        esac
        [ -n "${STRIPE_WEBHOOK_SECRET:-}" ] || { echo 'secrets: STRIPE_API_KEY is a live key: set STRIPE_WEBHOOK_SECRET, the secret of your endpoint at Stripe' >&2; exit 1; }
    esac
    cd /secrets
    keep database/password '' "$(random 24)"
    put database/url "postgres://pawl:$(cat database/password)@postgres:5432/pawl"
    # PKCS#8 of an Ed25519 key is these 16 bytes and 32 random ones.
    keep auth/private-key '' "$({ printf '\060\056\002\001\000\060\005\006\003\053\145\160\004\042\004\040'; head -c 32 /dev/urandom; } | base64 | tr -d '\n')"
    keep auth/api-keys "${AUTH_API_KEYS:-}" "pawl_$(random 24)"
    # The console uses the first of these keys.
    put console/api-key "$(cut -d, -f1 auth/api-keys)"
    # The simulator takes any key.
    keep stripe/api-key "${STRIPE_API_KEY:-}" "sk_test_simulator_$(random 12)"
    keep webhooks/secret "${STRIPE_WEBHOOK_SECRET:-}" "whsec_$(random 24)"
    keep shop/api-key '' "pawl_$(random 24)"
    ;;
show)
    cd /secrets
    echo "AUTH_API_KEYS=$(cat auth/api-keys)"
    echo "SHOP_API_KEY=$(cat shop/api-key)"
    echo "DATABASE_URL=postgres://pawl:$(cat database/password)@127.0.0.1:${POSTGRES_PORT:-5432}/pawl"
    ;;
*)
    echo "secrets: $1 is neither write nor show" >&2
    exit 2
    ;;
esac
