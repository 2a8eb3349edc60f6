#!/usr/bin/env bash
# The long proofs, each with the released binaries: `chaos` (every fault, at its full count) and `bench`.
set -euo pipefail
cd "$(dirname "$0")/../.."
infra/scripts/setup.sh test
cargo build --workspace --release
for proof; do
    target/release/pawl "$proof"
done
