#!/bin/sh
# Installs the programs that this checkout needs and the system lacks. Without output or network access if none is missing.
#
#   infra/scripts/setup.sh run     to build Pawl and run it: a C compiler, Postgres, Redis
#   infra/scripts/setup.sh test    all of that, and for the tests: PgBouncer, HAProxy, Chromium, libfaketime, jq, kcat, OpenSSL's headers, Kafka (Java, Maven), stripe-python, schemathesis, cargo-deny
#
# Debian's packages are installed as root or with sudo. Other systems get the list of what is missing.
set -eu
cd "$(dirname "$0")/../.."

want=${1:-run}
case $want in run | test) ;; *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;; esac

stripe_version=16.1.0
schemathesis_version=4.32.5
cargo_deny_version=0.20.2

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- missing packages

packages=
# missing NAME PACKAGE...: records the Debian packages of a program that was not found.
missing() {
    name=$1; shift
    say "missing: $name"
    for package; do
        case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
    done
}

has_postgres() { has postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
has_openssl() { printf '#include <openssl/ssl.h>\n' | cc -E - >/dev/null 2>&1; }
has_zlib() { printf '#include <zlib.h>\n' | cc -E - >/dev/null 2>&1; }
# Kafka 4 runs on Java 17 and later.
has_java() { has java && major=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/.*java.specification.version = //p') && [ "${major%%.*}" -ge 17 ]; }
has_stripe() { .pawl/python/bin/python -c "import stripe; assert stripe.VERSION == '$stripe_version'" 2>/dev/null; }
has_schemathesis() { .pawl/python/bin/python -c "import schemathesis as s; assert s.__version__ == '$schemathesis_version'" 2>/dev/null; }
has_kafka() { cmp -s infra/kafka/pom.xml .pawl/kafka/pom.xml; }
has_faketime() { ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1; }
has_deny() { has cargo-deny || [ -x .pawl/tools/bin/cargo-deny ]; }

has cargo || stop "missing: Rust. Install it from https://rustup.rs, open a new terminal, and run this again"

has cc || missing "a C compiler" gcc libc6-dev
has c++ || missing "a C++ compiler" g++
has make || missing "make" make
has pkg-config || missing "pkg-config" pkg-config
has_zlib || missing "zlib's headers" zlib1g-dev
has_postgres || missing "Postgres" postgresql
has redis-server || missing "Redis" redis-server
has curl || missing "curl" curl
if [ "$want" = test ]; then
    has_java || missing "Java 17" default-jre-headless
    has pgbouncer || missing "PgBouncer" pgbouncer
    has haproxy || missing "HAProxy" haproxy
    has jq || missing "jq" jq
    has kcat || missing "kcat" kcat
    has_openssl || missing "OpenSSL's headers" libssl-dev
    has chromium || missing "Chromium" chromium
    has chromedriver || missing "Chromium's driver" chromium-driver
    has_faketime || missing "libfaketime" libfaketime
    has_kafka || has mvn || missing "Maven" maven
    { has_stripe && has_schemathesis; } || python3 -c 'import ensurepip, venv' 2>/dev/null || missing "Python's venv" python3-venv
fi

# --- Debian's packages

# Debian creates a cluster and starts Postgres and Redis as services of the system. Pawl runs private servers and leaves the
# system as it was: no service may start during the installation, no cluster is created, and no service stays enabled.
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
install_packages() {
    as_root=
    if [ "$(id -u)" != 0 ]; then
        has sudo || stop "install these packages as root, then run this again:$packages"
        as_root=sudo
        sudo -n true 2>/dev/null || [ -t 0 ] || stop "sudo needs a password and there is no terminal to type it: apt-get install$packages"
    fi
    say "installing$packages"
    # shellcheck disable=SC2086 # the list is meant to be split
    $as_root env DEBIAN_FRONTEND=noninteractive POLICY="$policy" CLUSTERS="$clusters" sh -eu -c "$AS_ROOT" setup $packages \
        >.pawl/apt.log 2>&1 </dev/null || { tail -n 15 .pawl/apt.log >&2; stop "apt-get failed; its output is in .pawl/apt.log"; }
}

AS_ROOT='
    restore() {
        if [ -e "$POLICY.pawl" ]; then mv "$POLICY.pawl" "$POLICY"; else rm -f "$POLICY"; fi
        [ ! -e "$CLUSTERS.pawl" ] || mv "$CLUSTERS.pawl" "$CLUSTERS"
    }
    apt() { apt-get -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends "$@"; }
    trap restore EXIT
    trap "exit 1" HUP INT TERM
    # A file that an interrupted run of this script set aside is the original; it is not overwritten.
    if [ -e "$POLICY" ] && [ ! -e "$POLICY.pawl" ] && ! grep -q "by pawl" "$POLICY"; then cp -p "$POLICY" "$POLICY.pawl"; fi
    printf "#!/bin/sh\n# by pawl, while it installs packages\nexit 101\n" >"$POLICY"
    chmod 755 "$POLICY"

    apt-get -q -o DPkg::Lock::Timeout=300 update
    case " $* " in *" postgresql "*)
        apt install postgresql-common
        [ -e "$CLUSTERS.pawl" ] || cp -p "$CLUSTERS" "$CLUSTERS.pawl"
        printf "create_main_cluster = false\n" >>"$CLUSTERS"
    esac
    apt install "$@"
    if command -v systemctl >/dev/null; then
        for name in postgresql redis-server pgbouncer haproxy; do
            case " $* " in *" $name "*) systemctl disable "$name.service" || : ;; esac
        done
    fi
'

mkdir -p .pawl
if [ -n "$packages" ]; then
    has apt-get || stop "install these by hand (Debian's names), then run this again:$packages"
    install_packages
fi

# --- programs in .pawl

[ "$want" = test ] || exit 0

# Downloaded to a temporary directory and then moved, so that an interrupted download is not taken for a complete one.
if ! has_kafka; then
    say "downloading Apache Kafka's jars (44 MB) with Maven"
    rm -rf .pawl/kafka.new
    mvn -B -ntp -f infra/kafka/pom.xml -Djars="$PWD/.pawl/kafka.new/jars" package >.pawl/maven.log 2>&1 ||
        { tail -n 15 .pawl/maven.log >&2; stop "Maven failed; its output is in .pawl/maven.log"; }
    cp infra/kafka/pom.xml .pawl/kafka.new/pom.xml
    rm -rf .pawl/kafka
    mv .pawl/kafka.new .pawl/kafka
fi
if ! has_stripe || ! has_schemathesis; then
    say "installing stripe-python $stripe_version and schemathesis $schemathesis_version into .pawl/python"
    rm -rf .pawl/python
    python3 -m venv .pawl/python
    .pawl/python/bin/python -m pip install --quiet --disable-pip-version-check \
        "stripe==$stripe_version" "schemathesis==$schemathesis_version"
fi
if ! has_deny; then
    say "building cargo-deny $cargo_deny_version into .pawl/tools (two to four minutes, once)"
    # It runs for a second, so a fast build matters more than a fast program. Without its features it fetches no advisories.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --no-default-features --root .pawl/tools "cargo-deny@$cargo_deny_version"
fi
