#!/bin/sh
# Builds what is needed and becomes `pawl dev`, or with `reset` removes what that keeps.
set -eu
cd "$(dirname "$0")/../.."
command=${1:-dev}
if [ "$command" = dev ] || [ ! -x target/debug/pawl ]; then
    infra/scripts/setup.sh run
    cargo build --package pawl
fi
# exec, so that Ctrl-C and SIGTERM reach it without a shell in between.
exec target/debug/pawl "$command"
