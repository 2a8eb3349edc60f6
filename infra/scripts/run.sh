#!/bin/sh
# Builds `pawl` and runs `pawl dev`, or with `reset` removes the data of `pawl dev`.
set -eu
cd "$(dirname "$0")/../.."
command=${1:-dev}
if [ "$command" = dev ] || [ ! -x target/debug/pawl ]; then
    infra/scripts/setup.sh run
    cargo build --package pawl
fi
# exec, so that Ctrl-C and SIGTERM reach it without a shell in between.
exec target/debug/pawl "$command"
