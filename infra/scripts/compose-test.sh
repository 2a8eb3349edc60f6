#!/usr/bin/env bash
# Runs infra/compose.yml on a real Docker engine and tests it from outside: infra/scripts/compose_test.py says what.
#
# A machine without an engine gets one while this runs, if `dockerd` is installed and this is root; one that reaches no container
# registry gets stand-ins for the official images (infra/docker/stand-ins). The stack has a project name, ports and volumes
# of its own, and nothing of it is left at the end.
#
#   infra/scripts/compose-test.sh               builds the images first
#   infra/scripts/compose-test.sh --no-build    tests those that are there
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'compose-test: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
for program in docker kcat psql python3; do
    has $program || stop "missing: $program. Debian's packages: docker.io kcat postgresql-client python3"
done

engine=
finish() {
    status=$?
    if [ -n "${KEEP_STACK:-}" ]; then say "the stack is left as it is"; exit $status; fi
    docker compose -f infra/compose.yml -p pawl-test down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1 || :
    if [ -n "$engine" ]; then kill "$engine" && tail --pid="$engine" -f /dev/null; fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

if ! docker info >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ] || ! has dockerd; then stop "no Docker engine answers: start one, or as root apt-get install docker.io"; fi
    mkdir -p .pawl/docker
    dockerd --data-root "$PWD/.pawl/docker/data" --exec-root "$PWD/.pawl/docker/exec" --pidfile "$PWD/.pawl/docker/pid" >.pawl/docker/log 2>&1 &
    engine=$!
    for _ in $(seq 100); do docker info >/dev/null 2>&1 && break || sleep 0.2; done
    docker info >/dev/null 2>&1 || stop "dockerd did not start; its output is in .pawl/docker/log"
fi

# Debian has no version 2 of Compose; its Go module builds.
if ! docker compose version >/dev/null 2>&1; then
    has go || stop "missing: docker compose, version 2 (or Go, with which it is built)"
    say "building docker compose from its Go module (two minutes, once)"
    (
        mkdir -p .pawl/compose && cd .pawl/compose
        [ -e go.mod ] || go mod init compose
        go get github.com/docker/compose/v2/cmd@v2.40.3
        go build -o docker-compose github.com/docker/compose/v2/cmd
        mkdir -p ~/.docker/cli-plugins && cp docker-compose ~/.docker/cli-plugins/
    ) >.pawl/compose.log 2>&1 || stop "docker compose does not build; the output is in .pawl/compose.log"
fi

first=$(sed -n 's/^    image: \(redis:.*\)/\1/p' infra/compose.yml)
if ! docker image inspect "$first" >/dev/null 2>&1 && ! docker pull -q "$first" >/dev/null 2>&1; then
    say "no registry is reached: the official images get stand-ins"
    infra/docker/stand-ins/build.sh
fi

# Where no registry is reached, the build's packages come by the network of this machine.
export PAWL_BUILD_NETWORK=${PAWL_BUILD_NETWORK:-host}
PAWL_REVISION=$(git rev-parse --short=12 HEAD) && export PAWL_REVISION
python3 infra/scripts/compose_test.py "$@"
