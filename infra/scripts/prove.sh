#!/usr/bin/env bash
# The long proofs, each with release binaries: `model` (the exhaustive search of docs/correctness.md), `chaos` (every
# fault, at its full count), `attack`, `schemathesis` (requests made from the API's documents, for ten minutes), `samples`
# (the shops of docs/samples), `stripe-mock` (our calls against Stripe's description of its API, with a test binary),
# `bench`, `soak` (memory and tables under ten minutes of load), `helm` (the chart against Kubernetes' schemas), and
# `compose` (the containers, which need Docker).
set -euo pipefail
cd "$(dirname "$0")/../.."
infra/scripts/setup.sh test
cargo build --workspace --release
for proof; do
    case $proof in
    model) cargo test --release --package workflows --test it model -- --ignored --nocapture ;;
    # A token is valid for 15 minutes.
    schemathesis) target/release/pawl services --pawl -- infra/scripts/schemathesis.sh 600 ;;
    samples) target/release/pawl services --pawl -- infra/scripts/samples.sh ;;
    soak) target/release/pawl bench --soak 10 ;;
    compose) infra/scripts/compose-test.sh ;;
    helm) infra/scripts/helm.sh ;;
    stripe-mock) target/release/pawl services -- infra/scripts/stripe-mock.sh ;;
    *) target/release/pawl "$proof" ;;
    esac
done
