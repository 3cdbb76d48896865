"""The two ways to notify the stream process of a changed plan: NOTIFY of PostgreSQL and Redis.

Each is measured for the writers and for the reader. The writers raise the revisions of different
plans, one transaction each, in processes of their own. This part has no bar: it is the basis of a
decision (docs/topics/performance.md).
"""

from __future__ import annotations

import argparse
import multiprocessing
import select
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import redis
from django.db import connection

from tests.bench.bars import Bar
from tests.drills.servers import HOST, own_redis

ROUNDS = 3
CHANNEL = "bench"
TRIGGER = """
CREATE OR REPLACE FUNCTION bench_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('bench', NEW.id::text || ' ' || NEW.revision::text); RETURN NULL; END $$;
CREATE TRIGGER bench_notify AFTER UPDATE ON bench_plan FOR EACH ROW EXECUTE FUNCTION bench_notify();
"""


def _connect(port: int) -> Any:
    return psycopg2.connect(host=HOST, port=port, user="postgres", dbname="postgres")


def _write(port: int, redis_port: int, row: int, commits: int, pause: float) -> list[float]:
    """Commit changes of one plan. Returns the seconds of each, with its message to Redis."""
    database, publisher = _connect(port), redis.Redis(HOST, redis_port) if redis_port else None
    seconds = []
    with database.cursor() as cursor:
        for _ in range(commits):
            time.sleep(pause)
            began = time.perf_counter()
            cursor.execute("UPDATE bench_plan SET revision = revision + 1 WHERE id = %s", [row])
            database.commit()
            if publisher is not None:
                publisher.publish(CHANNEL, f"{row}")
            seconds.append(time.perf_counter() - began)
    database.close()
    return seconds


def _throughput(port: int, redis_port: int, writers: int, commits: int) -> float:
    """The commits/s of all writers together. They open connections of their own."""
    with multiprocessing.get_context("fork").Pool(writers) as pool:
        pool.starmap(_write, [(port, redis_port, row, 1, 0.0) for row in range(1, writers + 1)])
        began = time.perf_counter()
        jobs = [(port, redis_port, row, commits, 0.0) for row in range(1, writers + 1)]
        pool.starmap(_write, jobs, chunksize=1)
        return writers * commits / (time.perf_counter() - began)


def _latencies(port: int, redis_port: int, changes: int) -> list[float]:
    """Seconds from the end of a commit to the arrival of its message at a listening process."""
    listen = _redis_arrivals(redis_port) if redis_port else _notify_arrivals(port)
    next(listen)
    database, publisher = _connect(port), redis.Redis(HOST, redis_port) if redis_port else None
    seconds = []
    with database.cursor() as cursor:
        for _ in range(changes):
            cursor.execute("UPDATE bench_plan SET revision = revision + 1 WHERE id = 1")
            began = time.perf_counter()
            database.commit()
            if publisher is not None:
                publisher.publish(CHANNEL, "1")
            next(listen)
            seconds.append(time.perf_counter() - began)
    database.close()
    return seconds


def _notify_arrivals(port: int) -> Iterator[None]:
    listener = _connect(port)
    listener.autocommit = True
    listener.cursor().execute(f"LISTEN {CHANNEL}")
    yield
    while True:
        select.select([listener], [], [])
        listener.poll()
        while listener.notifies:
            listener.notifies.pop()
            yield


def _redis_arrivals(port: int) -> Iterator[None]:
    subscription = redis.Redis(HOST, port).pubsub()  # type: ignore[no-untyped-call]
    subscription.subscribe(CHANNEL)
    subscription.get_message(timeout=1)
    yield
    while True:
        if subscription.get_message(ignore_subscribe_messages=True, timeout=1):
            yield


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(ROUNDS))


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of commits of each writer."""
    commits = options.size or (50 if options.quick else 1000)
    port = int(connection.settings_dict["PORT"])
    with (
        tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder,
        own_redis(Path(folder)) as server,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE bench_plan (id int PRIMARY KEY, revision int NOT NULL)")
        cursor.execute("INSERT INTO bench_plan SELECT n, 0 FROM generate_series(1, 64) n")
        for fsync in ("on", "off"):
            cursor.execute(f"ALTER SYSTEM SET fsync = {fsync}")
            cursor.execute("SELECT pg_reload_conf()")
            _compare(cursor, port, server.port, commits, fsync)
            cursor.execute("DROP TRIGGER bench_notify ON bench_plan")
    return []


def _compare(cursor: Any, port: int, redis_port: int, commits: int, fsync: str) -> None:
    feeds = {"none": 0, "Redis": redis_port, "NOTIFY": 0}
    for name, used in feeds.items():
        if name == "NOTIFY":
            cursor.execute(TRIGGER)
        rates = {
            writers: _median(lambda w=writers, u=used: _throughput(port, u, w, commits))  # type: ignore[misc]
            for writers in (1, 4, 16)
        }
        line = ", ".join(f"{writers} writers {rate:,.0f}/s" for writers, rate in rates.items())
        print(f"fsync {fsync}, {name:7} commits: {line}")
        if name != "none":
            seconds = sorted(_latencies(port, used, commits))
            print(
                f"fsync {fsync}, {name:7} from commit to arrival: median"
                f" {1000 * statistics.median(seconds):.2f} ms,"
                f" 95 % {1000 * seconds[int(len(seconds) * 0.95)]:.2f} ms"
            )
