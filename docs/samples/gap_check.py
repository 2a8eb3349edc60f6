"""Reads the events of Pawl and reports every gap in the versions of a payment: Python's standard library and kcat.

KAFKA_BROKERS, KAFKA_TOPIC (pawl.payments.v1) and GAP_CHECK_DB (gap_check.db) say where; --once stops at the end of the topic.
What was seen and the position are kept in one transaction, so that it goes on where it was, however it ended.
"""
import json, os, sqlite3, subprocess, sys
from threading import Thread

KCAT = ["kcat", "-q", "-b", os.environ["KAFKA_BROKERS"], "-t", os.environ.get("KAFKA_TOPIC", "pawl.payments.v1")]
DATABASE = os.environ.get("GAP_CHECK_DB", "gap_check.db")
gaps = []


def take(db, partition, offset, event):
    """One event. It may come again, also later; its version is never more than one above the newest that was seen."""
    payment, version = event["data"]["payment_id"], event["data"]["version"]
    newest = db.execute("select max(version) from seen where payment = ?", [payment]).fetchone()[0] or 0
    if version > newest + 1:
        gaps.append(f"{payment}: version {version} came after {newest}")
        print(gaps[-1], flush=True)
    if version > newest:  # Your own work goes here, into the same transaction.
        db.execute("insert or replace into seen values (?, ?)", [payment, version])
    db.execute("insert or replace into position values (?, ?)", [partition, offset + 1])


def follow(partition):
    db = sqlite3.connect(DATABASE, timeout=60)
    row = db.execute("select offset from position where partition = ?", [partition]).fetchone()
    end = ["-e"] if "--once" in sys.argv else []
    where = ["-C", "-p", str(partition), "-o", str(row[0] if row else 0), "-f", "%o %s\n"]
    for line in subprocess.Popen(KCAT + where + end, stdout=subprocess.PIPE, text=True).stdout:
        offset, event = line.split(" ", 1)
        with db:
            take(db, partition, int(offset), json.loads(event))


with sqlite3.connect(DATABASE) as made:
    made.execute("create table if not exists seen (payment text primary key, version integer)")
    made.execute("create table if not exists position (partition integer primary key, offset integer)")
topic = json.loads(subprocess.check_output(KCAT + ["-L", "-J"]))["topics"][0]
readers = [Thread(target=follow, args=[it["partition"]]) for it in topic["partitions"]]
[it.start() for it in readers] + [it.join() for it in readers]
sys.exit(1 if gaps else 0)
