#!/usr/bin/env bash
# Makes the base images of infra/docker/Dockerfile and the images of infra/compose.yml on this machine, from Debian's packages
# and from what infra/scripts/setup.sh installed, under the names of the official images. For tests on a machine that
# reaches no container registry; everybody else pulls the official images.
#
#   infra/docker/stand-ins/build.sh      as root; needs Docker, debootstrap and the jars of .pawl/kafka
#
# An image that exists already is kept. Each stand-in has the label pawl.stand-in.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=infra/docker/stand-ins
label='LABEL pawl.stand-in=true'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What compose.yml and the Dockerfile name, so that a new version there needs no change here.
named() { sed -n "s#.*\(image:\|FROM\) *\($1:[^ ]*\).*#\2#p" infra/compose.yml infra/docker/Dockerfile | head -1; }
is_made() { docker image inspect "$1" >/dev/null 2>&1; }
# made NAME: builds the Dockerfile on standard input, with the directory $work/context.
make() {
    echo "$label" | cat - >>"$work/Dockerfile"
    DOCKER_BUILDKIT=0 docker build --quiet --network=host --tag "$1" --file "$work/Dockerfile" "$work/context" >/dev/null 2>"$work/log" ||
        { cat "$work/log" >&2; exit 1; }
    echo "stand-ins: made $1" >&2
}
new() { rm -rf "$work/context"; mkdir -p "$work/context"; cat >"$work/Dockerfile"; }

debian=debian:bookworm-slim
if ! is_made $debian; then
    debootstrap --variant=minbase bookworm "$work/root" >/dev/null
    tar -C "$work/root" -c . | docker import - $debian >/dev/null
    rm -rf "$work/root"
    echo "stand-ins: made $debian" >&2
fi

rust=$(named rust)
if ! is_made "$rust"; then
    new <<END
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev ca-certificates && rm -rf /var/lib/apt/lists/*
COPY toolchain /usr/local
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
END
    mkdir "$work/context/toolchain"
    # Not the documentation, which is half of it.
    tar -C "$(rustc --print sysroot)" --exclude=./share -c . | tar -C "$work/context/toolchain" -x
    cp /etc/ssl/certs/ca-certificates.crt "$work/context/"
    make "$rust"
fi

distroless=$(named gcr.io/distroless/cc-debian12)
if ! is_made "$distroless"; then
    new <<END
FROM $debian AS root
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libgcc-s1 libstdc++6
RUN mkdir -p /out/etc/ssl/certs /out/tmp /out/home/nonroot /out/lib64 && chmod 1777 /out/tmp && chown 65532:65532 /out/home/nonroot \
    && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ && cp -L /lib64/ld-linux-*.so.* /out/lib64/ \
    && directory=/lib/\$(ls /lib | grep -m1 linux-gnu) && mkdir -p /out\$directory \
    && for name in c m gcc_s stdc++ dl rt pthread resolv nss_dns nss_files; do cp -L \$directory/lib\$name.so.? /out\$directory/; done \
    && printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >/out/etc/passwd \
    && printf 'root:x:0:\nnonroot:x:65532:\n' >/out/etc/group && printf 'hosts: files dns\n' >/out/etc/nsswitch.conf
FROM scratch
COPY --from=root /out/ /
USER 65532
END
    make "$distroless"
fi

postgres=$(named postgres)
if ! is_made "$postgres"; then
    new <<END
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-common \
    && echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf \
    && apt-get install -y --no-install-recommends postgresql util-linux \
    && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ && rm -rf /var/lib/apt/lists/*
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
CMD ["postgres"]
END
    cp $here/postgres.sh "$work/context/"
    make "$postgres"
fi

redis=$(named redis)
if ! is_made "$redis"; then
    new <<END
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* && mkdir /data && chown redis /data
VOLUME /data
WORKDIR /data
USER redis
CMD ["redis-server", "--protected-mode", "no"]
END
    make "$redis"
fi

haproxy=$(named haproxy)
if ! is_made "$haproxy"; then
    new <<END
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
USER haproxy
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy"]
CMD ["-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
END
    make "$haproxy"
fi

kafka=$(named apache/kafka)
if ! is_made "$kafka"; then
    new <<END
FROM $debian
RUN apt-get update && mkdir -p /usr/share/man/man1 && apt-get install -y --no-install-recommends default-jre-headless && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 appuser && mkdir -p /opt/kafka/config /var/lib/kafka/data && chown -R appuser /opt/kafka /var/lib/kafka
COPY jars /opt/kafka/libs
COPY kafka.sh /etc/kafka/docker/run
COPY broker-api-versions.sh /opt/kafka/bin/kafka-broker-api-versions.sh
USER appuser
ENTRYPOINT ["/etc/kafka/docker/run"]
END
    cp -r .pawl/kafka/jars "$work/context/jars"
    cp $here/kafka.sh $here/broker-api-versions.sh "$work/context/"
    make "$kafka"
fi
