"""Tests the stack of infra/compose.yml from outside, as infra/scripts/compose-test.sh started its engine. Ends with a table."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

PROJECT = "pawl-test"
PORTS = {
    "PAWL_PORT": "18080", "PAWL_TLS_PORT": "18443", "PAWL_STATS_PORT": "18404", "PAWL_AUTH_PORT": "18081",
    "PAWL_CORE_PORT": "18082", "PAWL_POSTGRES_PORT": "15432", "PAWL_REDIS_PORT": "16379", "PAWL_KAFKA_PORT": "19092",
    "PAWL_SIMULATOR_PORT": "22111",
}
ENVIRONMENT = {
    **os.environ, **PORTS,
    "PAWL_EDGE_SUBNET": "172.31.241.0/24", "PAWL_HAPROXY_ADDRESS": "172.31.241.10",
    "AUTH_API_KEYS": "", "STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": "", "PAWL_STRIPE_API_BASE": "",
    "RATE_LIMIT_KEY_PER_MINUTE": "0",
}
GATEWAY = "http://127.0.0.1:" + PORTS["PAWL_PORT"]
AUTH = "http://127.0.0.1:" + PORTS["PAWL_AUTH_PORT"]
SIMULATOR = "http://127.0.0.1:" + PORTS["PAWL_SIMULATOR_PORT"]
STATISTICS = "http://127.0.0.1:" + PORTS["PAWL_STATS_PORT"]
OURS = ["gateway", "auth-service", "core-service", "worker-service", "stripe-simulator"]
LARGEST_IMAGE = 60_000_000


class Failed(Exception):
    """A check that did not hold."""


def check(holds, text):
    if not holds:
        raise Failed(text)


def run(*arguments, timeout=120):
    done = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout)
    reason = " ".join(done.stderr[-300:].split())
    check(done.returncode == 0, f"{' '.join(arguments)}: {reason}")
    return done.stdout


def compose(*arguments, timeout=120):
    return run("docker", "compose", "-f", "infra/compose.yml", "-p", PROJECT, *arguments, timeout=timeout)


def request(method, url, body=None, headers=None, timeout=30):
    """The status and the text of an answer; an answer of 4xx or 5xx is no exception."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def wait_for(event, done, seconds=90):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if done():
                return
        except (OSError, Failed, ValueError):
            pass
        check(time.monotonic() < deadline, f"waited {seconds} s for {event}")
        time.sleep(0.2)


def containers(service):
    return compose("ps", "-q", service).split()


def inspect(container):
    return json.loads(run("docker", "inspect", container))[0]


def is_healthy(container):
    return inspect(container)["State"].get("Health", {}).get("Status") == "healthy"


def gateways():
    """The gateways that pass HAProxy's health checks, with how many requests each was sent."""
    status, table = request("GET", STATISTICS + "/stats;csv")
    check(status == 200, f"the statistics answer {status}")
    lines = table.lstrip("# ").splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","))) for line in lines[1:]]
    up = [row for row in rows if row["pxname"] == "gateways" and row["svname"].startswith("gateway") and row["status"].startswith("UP")]
    return {row["svname"]: int(row["stot"]) for row in up}


def up():
    """Starts everything; returns when all of it is healthy. `--wait` would wait for those that run once and end."""
    compose("up", "-d", timeout=400)
    for name in [*OURS, "haproxy", "postgres", "redis", "kafka"]:
        wait_for(f"{name} to be healthy", lambda: all(is_healthy(it) for it in containers(name)), 120)
    wait_for("three gateways", lambda: len(gateways()) == 3)


def sql(statement):
    return compose("exec", "-T", "postgres", "psql", "-U", "pawl", "-d", "pawl", "-qAt", "-c", statement).strip()


class Load:
    """Clients that pay through HAProxy until they are stopped. Each payment is repeated with its key until it is accepted."""

    def __init__(self, key, clients=4):
        self.key, self.stopped = key, threading.Event()
        self.paid, self.failures, self.lock = [], [], threading.Lock()
        self.threads = [threading.Thread(target=self.client, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self):
        while not self.stopped.is_set():
            headers = {"X-API-Key": self.key, "Idempotency-Key": f"load-{uuid.uuid4()}"}
            body = {"amount": 1200, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
            for _ in range(100):
                try:
                    status, text = request("POST", GATEWAY + "/api/v1/payments", body, headers)
                except OSError as error:
                    status, text = 0, str(error)
                if status == 201:
                    with self.lock:
                        self.paid.append(json.loads(text)["id"])
                    break
                with self.lock:
                    self.failures.append(f"{status} {text[:200]}")
                time.sleep(0.2)
            else:
                raise Failed("a payment was refused 100 times: " + text)
            time.sleep(0.05)

    def goes_on(self, count=40):
        """Waits until so many more payments were accepted."""
        enough = len(self.paid) + count
        wait_for("the load to go on", lambda: len(self.paid) >= enough)

    def without_failure(self, what):
        """Checks that no request failed since the last call."""
        with self.lock:
            failures, self.failures = self.failures, []
        check(not failures, f"{what}: {len(failures)} requests failed, the first: {failures[:1]}")

    def end(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)


def verdict(load):
    """Nothing is lost: every accepted payment has succeeded, was charged once, and all its events are in Kafka."""
    paid = set(load.paid)
    wait_for("all payments to end", lambda: sql("select count(*) from payment where status not in ('succeeded', 'canceled')") == "0", 180)
    wait_for("the outbox to be empty", lambda: sql("select count(*) from outbox") == "0", 120)
    check(sql("select count(*) from job where state = 'dead'") == "0", "there are dead jobs")
    charged = {}
    offset = 0
    while True:
        page = json.loads(request("GET", f"{SIMULATOR}/_sim/ledger?offset={offset}&limit=1000")[1])
        charged.update({row["payment_id"]: row for row in page["payments"]})
        offset += 1000
        if not page["has_more"]:
            break
    lost = [payment for payment in paid if payment not in charged]
    wrong = [payment for payment in paid if payment in charged and (charged[payment]["charges"] != 1 or charged[payment]["captured"] != 1200)]
    check(not lost and not wrong, f"of {len(paid)} payments {len(lost)} have no charge and {len(wrong)} another than one: {(lost + wrong)[:3]}")
    messages = run("kcat", "-b", "127.0.0.1:" + PORTS["PAWL_KAFKA_PORT"], "-t", "pawl.payments.v1", "-C", "-e", "-q", "-o", "beginning")
    versions = {}
    for line in messages.splitlines():
        data = json.loads(line)["data"]
        versions.setdefault(data["payment_id"], set()).add(data["version"])
    for payment in paid:
        seen = versions.get(payment, set())
        check(seen and seen == set(range(1, max(seen) + 1)), f"the events of {payment} have a gap: {sorted(seen)}")
    published = sum(len(seen) for seen in versions.values())
    committed = int(sql("select count(*) from transition"))
    check(published == committed, f"{published} events are in Kafka, {committed} transitions in Postgres")
    return f"{len(paid)} payments, {published} events"


class Stack:
    def __init__(self):
        self.key = self.load = None

    def build(self):
        if "--no-build" not in sys.argv:
            compose("build", timeout=3600)
        sizes = []
        for name in [*OURS, "pawl"]:
            size = json.loads(run("docker", "image", "inspect", f"pawl/{name}:{ENVIRONMENT.get('PAWL_TAG', 'local')}"))[0]["Size"]
            check(size < LARGEST_IMAGE, f"{name} has {size} bytes")
            sizes.append(f"{name} {size / 1e6:.0f}")
        return "MB: " + ", ".join(sizes)

    def up(self):
        up()

    def inspected(self):
        for name in OURS:
            for container in containers(name):
                found = inspect(container)
                check(found["HostConfig"]["ReadonlyRootfs"], f"{name} may write to its root")
                check(found["Config"]["User"].split(":")[0] not in ("", "0", "root"), f"{name} runs as root")
                check(not found["HostConfig"]["Privileged"] and found["HostConfig"]["CapDrop"] == ["ALL"], f"{name} has rights")
                check(found["HostConfig"]["Memory"] > 0, f"{name} has no limit")
                check("org.opencontainers.image.version" in found["Config"]["Labels"], f"{name} has no labels")
        return "read-only root, user 65532, no capability, a memory limit"

    def first_payment(self):
        shown = dict(line.split("=", 1) for line in compose("run", "--rm", "secrets", "show").split())
        self.key = shown["SHOP_API_KEY"]
        auth = {"X-API-Key": shown["AUTH_API_KEYS"]}
        person = {"email": "user@example.com", "password": "correct horse battery"}
        status, text = request("POST", AUTH + "/api/v1/auth/register", person, auth)
        check(status == 201, f"register: {status} {text}")
        status, text = request("POST", AUTH + "/api/v1/auth/login", person, auth)
        check(status == 200, f"login: {status} {text}")
        headers = {"Authorization": "Bearer " + json.loads(text)["token"], "Idempotency-Key": "first", "Prefer": "wait=20"}
        body = {"amount": 1800, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        status, text = request("POST", GATEWAY + "/api/v1/payments", body, headers)
        check(status == 201 and json.loads(text)["status"] == "succeeded", f"pay: {status} {text}")
        self.first = json.loads(text)["id"], headers["Authorization"]

    def local(self):
        """What `cargo run` on this machine uses."""
        shown = dict(line.split("=", 1) for line in compose("run", "--rm", "secrets", "show").split())
        answer = run("psql", shown["DATABASE_URL"], "-qAtc", "select count(*) from payment")
        check(answer.strip() == "1", f"Postgres answers {answer}")
        with socket.create_connection(("127.0.0.1", int(PORTS["PAWL_REDIS_PORT"])), 5) as redis:
            redis.sendall(b"PING\r\n")
            check(redis.recv(100) == b"+PONG\r\n", "Redis does not answer")
        brokers = run("kcat", "-b", "127.0.0.1:" + PORTS["PAWL_KAFKA_PORT"], "-L", "-t", "pawl.payments.v1")
        check("127.0.0.1:" + PORTS["PAWL_KAFKA_PORT"] in brokers, brokers)
        return "Postgres, Redis and Kafka on loopback"

    def shop(self):
        status, page = request("GET", SIMULATOR + "/shop")
        check(status == 200 and "mug" in page.lower(), f"the shop page answers {status}")
        status, text = request("POST", SIMULATOR + "/shop/api/payments", {"payment_method": "pm_card_visa"}, {"Idempotency-Key": "mug"})
        check(status == 201, f"the shop pays: {status} {text}")

    def served(self):
        for _ in range(30):
            status, text = request("GET", GATEWAY + "/api/v1/payments", headers={"X-API-Key": self.key})
            check(status == 200, f"list: {status} {text}")
        sent = gateways()
        check(len(sent) == 3 and min(sent.values()) > 0, f"requests by gateway: {sent}")
        status, _ = request("GET", GATEWAY + "/metrics")
        check(status == 404, f"/metrics through HAProxy answers {status}")
        return ", ".join(f"{name} {count}" for name, count in sent.items())

    def addresses(self):
        """An address without credentials has ten requests a minute: forged headers do not change whose they are."""
        statuses = [request("GET", GATEWAY + "/api/v1/payments", headers={"X-Forwarded-For": f"203.0.113.{n}", "X-Real-IP": f"203.0.113.{n}"})[0] for n in range(13)]
        check(statuses[:10] == [401] * 10 and statuses[10:] == [429] * 3, f"from this machine: {statuses}")
        script = "exec 3<>/dev/tcp/haproxy/8080; printf 'GET /api/v1/payments HTTP/1.0\\r\\nX-Forwarded-For: 203.0.113.9\\r\\n\\r\\n' >&3; head -1 <&3"
        image = inspect(containers("haproxy")[0])["Image"]
        line = run("docker", "run", "--rm", "--network", f"{PROJECT}_edge", "--entrypoint", "bash", image, "-c", script)
        check(" 401 " in line, f"from another address: {line}")

    def scale(self):
        compose("up", "-d", "--no-recreate", "--scale", "gateway=5", timeout=200)
        wait_for("five gateways", lambda: len(gateways()) == 5)
        compose("up", "-d", "--no-recreate", "--scale", "gateway=3", timeout=200)
        wait_for("three gateways", lambda: len(gateways()) == 3)
        return "HAProxy found five, then three"

    def killed(self, service):
        container = containers(service)[0]
        run("docker", "kill", container)
        self.load.goes_on(10 if service != "redis" else 5)
        run("docker", "start", container)
        wait_for(f"{service} to be healthy", lambda: is_healthy(container))
        self.load.goes_on()

    def kill_gateway(self):
        self.load = Load(self.key)
        self.load.goes_on()
        self.load.without_failure("before any fault")
        self.killed("gateway")
        wait_for("three gateways", lambda: len(gateways()) == 3)
        self.load.without_failure("a killed gateway")
        return "no request failed"

    def kill_worker(self):
        self.killed("worker-service")
        self.load.without_failure("a killed worker")
        return "no request failed"

    def kill_redis(self):
        self.killed("redis")
        self.load.without_failure("a killed Redis")
        return "no request failed"

    def kill_kafka(self):
        self.killed("kafka")
        self.load.without_failure("a killed Kafka")
        return "no request failed"

    def nothing_lost(self):
        self.load.end()
        return verdict(self.load)

    def rolling(self):
        self.load = Load(self.key)
        for service in ["gateway", "worker-service", "auth-service", "core-service"]:
            for container in containers(service):
                run("docker", "restart", "-t", "30", container)
                wait_for(f"{service} to be healthy", lambda: is_healthy(container))
                if service == "gateway":
                    wait_for("three gateways", lambda: len(gateways()) == 3)
                self.load.goes_on(10)
        self.load.end()
        self.load.without_failure("a rolling restart")
        return f"no request failed; {verdict(self.load)}"

    def down_and_up(self):
        before = sql("select count(*) from payment where status = 'succeeded'")
        compose("down", "--timeout", "40", timeout=200)
        up()
        after = sql("select count(*) from payment where status = 'succeeded'")
        check(before == after and int(after) > 0, f"{before} payments before, {after} after")
        payment, token = self.first
        wait_for("the first payment", lambda: request("GET", f"{GATEWAY}/api/v1/payments/{payment}", headers={"Authorization": token})[0] == 200)
        return f"{after} payments are there"

    def restored(self):
        """docs/backup.md, as it is written there."""
        before = sql("select count(*) from payment")
        program = ["docker", "compose", "-f", "infra/compose.yml", "-p", PROJECT, "exec", "-T", "postgres"]
        dump = subprocess.run([*program, "pg_dump", "-U", "pawl", "-d", "pawl", "-Fc"], env=ENVIRONMENT, capture_output=True, check=True).stdout
        compose("stop", "haproxy", "gateway", "worker-service", "auth-service", "core-service")
        anew = 'dropdb --force -U "$POSTGRES_USER" "$POSTGRES_DB" && createdb -U "$POSTGRES_USER" "$POSTGRES_DB"'
        compose("exec", "-T", "postgres", "sh", "-c", anew)
        restore = [*program, "pg_restore", "--exit-on-error", "-U", "pawl", "-d", "pawl"]
        done = subprocess.run(restore, env=ENVIRONMENT, input=dump, capture_output=True)
        check(done.returncode == 0, f"pg_restore: {done.stderr[-500:]}")
        compose("exec", "-T", "redis", "redis-cli", "flushall")
        up()
        check(sql("select count(*) from payment") == before, f"{before} payments before")
        load = Load(self.key)
        load.goes_on(20)
        load.end()
        return f"{before} payments are there, and new ones go on"


STEPS = [
    ("build", Stack.build), ("up, all healthy", Stack.up), ("no rights in the containers", Stack.inspected),
    ("register, log in, pay through HAProxy", Stack.first_payment),
    ("programs of this machine reach the servers", Stack.local), ("the shop page pays", Stack.shop),
    ("every gateway served requests", Stack.served), ("limits count the client's address", Stack.addresses),
    ("--scale gateway=5", Stack.scale), ("a gateway is killed under load", Stack.kill_gateway),
    ("a worker is killed under load", Stack.kill_worker), ("Redis is killed under load", Stack.kill_redis),
    ("Kafka is killed under load", Stack.kill_kafka), ("nothing is lost", Stack.nothing_lost),
    ("rolling restart under load", Stack.rolling), ("down and up again", Stack.down_and_up),
    ("dump and restore", Stack.restored),
]


def main():
    stack, rows, failed = Stack(), [], 0
    for name, step in STEPS:
        began = time.monotonic()
        try:
            note, result = step(stack) or "", "ok"
        except (Failed, OSError, subprocess.TimeoutExpired, ValueError, AttributeError, KeyError, subprocess.CalledProcessError) as error:
            note, result = str(error), "FAILED"
            failed += 1
        rows.append((name, result, f"{time.monotonic() - began:.0f} s", note))
        print(f"compose-test: {name}: {result} {note}", file=sys.stderr, flush=True)
        if failed and name in ("build", "up, all healthy"):
            break
    width = max(len(row[0]) for row in rows)
    for name, result, took, note in rows:
        print(f"{name:<{width}}  {result:<6}  {took:>6}  {note}")
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
