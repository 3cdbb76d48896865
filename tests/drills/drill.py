"""The whole product on servers of its own, for a drill: queries, faults and measurements."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.config.product import Product
from tests.drills.mail_server import MailServer
from tests.drills.servers import Server

# The bars of docs/topics/reliability.md.
NORMAL_WITHIN_SECONDS = 60
WINDOW_WITHIN_SECONDS = 15
# A machine with other work starts the product several times slower.
START_WITHIN_SECONDS = 400
DOWN_SECONDS = 2
# A part of the title of each process.
TITLES = {
    "checks-worker": "checks@",
    "windows-worker": "windows@",
    "interactive-worker": "interactive@",
    "mail-worker": "mail@",
    "beat": "beat",
    "web": "gunicorn",
}
# Checks that run every few seconds in the lab; those of messages wait for a person.
RUNNING = "is_active AND kind NOT IN ('message', 'delivery_message')"


def _with_descendants(parent: int) -> list[int]:
    found = [parent]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found


class Drill:
    """The product on its own PostgreSQL and Redis."""

    def __init__(
        self, product: Product, postgresql: Server, redis: Server, mail: MailServer
    ) -> None:
        self.product, self.postgresql, self.redis, self.mail = product, postgresql, redis, mail

    def shell(self, code: str, **settings: str) -> str:
        """Run the code in `manage.py shell` of the product. Returns its output."""
        return self.manage("shell", "-v", "0", "-c", code, checkout=None, **settings)

    def manage(self, *command: str, checkout: Path | None = None, **settings: str) -> str:
        """Run a management command, of the product's version or of another. Returns its output."""
        environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(self.product.folder)}
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=checkout or self.product.checkout,
            env={**environment, **self.product.settings, **settings},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

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
            if TITLES[name] in Path(f"/proc/{pid}/cmdline").read_text():
                os.killpg(int(pid), signal.SIGKILL)
                return
        pytest.fail(f"{name} does not run")

    def cpu_seconds(self) -> float:
        """The processor time of the product, PostgreSQL and Redis until now.

        Other work on the machine does not count. That of ended processes is missing.
        """
        ticks = 0
        for process in (self.product.process, self.postgresql.process, self.redis.process):
            assert process is not None
            for pid in _with_descendants(process.pid):
                with contextlib.suppress(OSError):
                    # Fields 14 and 15 of proc(5), after the name, which may contain blanks.
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    ticks += int(stat[11]) + int(stat[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def restart(self, server: Server) -> None:
        server.kill()
        time.sleep(DOWN_SECONDS)
        server.start()

    def doubled(self) -> int:
        """The number of observations that were recorded twice."""
        return int(
            self.query(
                "SELECT count(*) FROM checks_observation a JOIN checks_observation b"
                " ON a.check_asked_id = b.check_asked_id AND a.id < b.id"
                " AND a.first_seen_at = b.first_seen_at"
            )[0][0]
        )

    def wait_until(self, is_reached: Callable[[], object], within: float) -> None:
        until = time.monotonic() + within
        while not is_reached():
            assert time.monotonic() < until, self.logs()
            time.sleep(0.2)

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
        names = ("windows-worker", "interactive-worker", "checks-worker", "beat")
        logs = [self.product.folder / "log" / f"{name}.log" for name in names]
        return "\n".join(f"{log.name}:\n{log.read_text()[-1500:]}" for log in logs if log.exists())
