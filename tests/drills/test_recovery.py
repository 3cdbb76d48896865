"""Kill each process of the whole product, and measure the time until work is normal again.

Normal: every check that was due or claimed at the fault has run again, and a run that a person
requested has run. Lost, stuck and doubled work counts as well.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from redis import Redis

from tests.config.product import Product
from tests.drills.servers import HOST, Server, own_postgresql, own_redis

pytestmark = pytest.mark.slow

# The bars of docs/topics/reliability.md.
NORMAL_WITHIN_SECONDS = 60
WINDOW_WITHIN_SECONDS = 15
START_WITHIN_SECONDS = 120
DOWN_SECONDS = 2
_TITLES = {
    "checks-worker": "checks@",
    "interactive-worker": "interactive@",
    "beat": "beat",
    "web": "gunicorn",
}
# Checks that run every few seconds in the lab; those of messages wait for a person.
_RUNNING = "is_active AND kind NOT IN ('message', 'delivery_message')"
_IN_WINDOW = "cutover_until > now()"


class Drill:
    """The product on its own PostgreSQL and Redis."""

    def __init__(self, product: Product, postgresql: Server, redis: Server) -> None:
        self.product, self.postgresql, self.redis = product, postgresql, redis

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run the statement as soon as PostgreSQL accepts connections."""
        until = time.monotonic() + NORMAL_WITHIN_SECONDS
        while True:
            try:
                connection = psycopg2.connect(self.product.settings["DATABASE_URL"])
                break
            except psycopg2.OperationalError:
                assert time.monotonic() < until, "PostgreSQL does not accept connections"
                time.sleep(0.1)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            rows = cursor.fetchall() if cursor.description is not None else []
        connection.close()
        return rows

    def ids(self, condition: str) -> list[int]:
        rows = self.query(f"SELECT id FROM checks_check WHERE {condition}")  # noqa: S608 - ours
        return [pk for (pk,) in rows]

    def kill(self, name: str) -> None:
        """Kill the process and its children."""
        assert self.product.process is not None
        parent = self.product.process.pid
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            # The supervisor gives each process a session of its own.
            if _TITLES[name] in Path(f"/proc/{pid}/cmdline").read_text():
                os.killpg(int(pid), signal.SIGKILL)
                return
        pytest.fail(f"{name} does not run")

    def restart(self, server: Server) -> None:
        server.kill()
        time.sleep(DOWN_SECONDS)
        server.start()

    def wait_for_claim(self, condition: str) -> list[int]:
        """Wait until a worker runs checks, so that the fault interrupts it. Return these checks."""
        until = time.monotonic() + START_WITHIN_SECONDS
        while not (found := self.ids(f"{condition} AND claim_id <> '' AND claimed_until > now()")):
            assert time.monotonic() < until, "no worker runs a check"
            time.sleep(0.02)
        return found

    def seconds_until_run(self, check_ids: list[int], since: Any, within: float) -> float:
        """Seconds from `since` until all these checks have run after it."""
        late = "SELECT count(*) FROM checks_check WHERE id = ANY(%s) AND (checked_at IS NULL OR"
        late += " checked_at <= %s)"
        until = time.monotonic() + within
        while self.query(late, check_ids, since)[0][0]:
            assert time.monotonic() < until, f"{self.state(check_ids, since)}\n{self.logs()}"
            time.sleep(0.1)
        return float(self.query("SELECT extract(epoch FROM now() - %s)", since)[0][0])

    def state(self, check_ids: list[int], since: Any) -> str:
        rows = self.query(
            "SELECT kind, checked_at, next_due_at, claim_id, claimed_until, now() FROM checks_check"
            " WHERE id = ANY(%s) AND (checked_at IS NULL OR checked_at <= %s)",
            check_ids,
            since,
        )
        return "\n".join(map(str, rows))

    def logs(self) -> str:
        names = ("interactive-worker", "checks-worker", "beat")
        logs = [self.product.folder / "log" / f"{name}.log" for name in names]
        return "\n".join(f"{log.name}:\n{log.read_text()[-1500:]}" for log in logs if log.exists())


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    folder = tmp_path_factory.mktemp("drill")
    with own_postgresql(folder) as postgresql, own_redis(folder) as redis:
        product = Product(
            folder / "var",
            DATABASE_URL=f"postgres://postgres@{HOST}:{postgresql.port}/postgres",
            CELERY_BROKER_URL=f"redis://{HOST}:{redis.port}/0",
            REDIS_URL=f"redis://{HOST}:{redis.port}/1",
        )
        process = product.start()
        product.wait_until_up(process)
        made = Drill(product, postgresql, redis)
        started_at = made.query("SELECT now()")[0][0]
        made.seconds_until_run(made.ids(_RUNNING), started_at, START_WITHIN_SECONDS)
        yield made
        process.terminate()
        process.wait(20)


FAULTS: dict[str, Callable[[Drill], None]] = {
    **{name: partial(Drill.kill, name=name) for name in _TITLES},
    "redis": lambda drill: drill.restart(drill.redis),
    "postgresql": lambda drill: drill.restart(drill.postgresql),
    "flushall": lambda drill: flush(drill.redis),
}
IN_CI = ("checks-worker", "flushall")


def flush(server: Server) -> None:
    Redis(HOST, server.port).flushall()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in IN_CI else pytest.mark.nightly) for name in FAULTS],
)
def test_work_is_normal_soon(drill: Drill, name: str) -> None:
    claimed = drill.wait_for_claim(_RUNNING)
    due = drill.ids(f"{_RUNNING} AND next_due_at <= now()")
    fault_at = drill.query("SELECT clock_timestamp()")[0][0]

    FAULTS[name](drill)

    seconds = drill.seconds_until_run([*claimed, *due], fault_at, NORMAL_WITHIN_SECONDS)
    assert drill.product.process is not None
    assert drill.product.process.poll() is None
    doubled = drill.query(
        "SELECT count(*) FROM checks_observation a JOIN checks_observation b"
        " ON a.check_asked_id = b.check_asked_id AND a.id < b.id"
        " AND a.first_seen_at = b.first_seen_at"
    )[0][0]
    assert doubled == 0
    print(f"{name}: normal after {seconds:.1f} s")  # noqa: T201


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["interactive-worker", "beat", "flushall", "redis"])
def test_window_is_checked_soon(drill: Drill, name: str) -> None:
    drill.query(
        "UPDATE checks_check SET cutover_until = now() + interval '1 hour'"
        " WHERE kind = 'mx' AND is_active"
    )
    claimed = drill.wait_for_claim(_IN_WINDOW)
    fault_at = drill.query("SELECT clock_timestamp()")[0][0]

    FAULTS[name](drill)

    seconds = drill.seconds_until_run(claimed, fault_at, NORMAL_WITHIN_SECONDS)
    drill.query("UPDATE checks_check SET cutover_until = NULL")
    print(f"{name} in a window: checked after {seconds:.1f} s")  # noqa: T201
    assert seconds <= WINDOW_WITHIN_SECONDS
