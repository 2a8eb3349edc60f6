#!/bin/sh
# Builds what is needed and becomes `pawl dev`, or with `reset` removes what that keeps.
set -eu
cd "$(dirname "$0")/../.."
infra/scripts/setup.sh run
cargo build --package pawl
# exec, so that Ctrl-C and SIGTERM reach it without a shell in between.
exec target/debug/pawl "${1:-dev}"
