"""The longest wait of a page while the newest migrations change a big database.

The newest migration of each app is undone, then applied again. People open pages of tenants and a
worker records runs at the same time. A migration that locks a table for long delays them.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import F
from django.urls import reverse

from checks.models import Check, Observation
from onboarding.management.commands.generate_load import generate
from tenants.models import Tenant, User
from tests.bench.bars import Bar
from tests.bench.pages import signed_in

APPS = ("onboarding", "checks", "tenants")
PAGES = ("plan-show", "domains", "activity", "people")
QUIET_SECONDS = 10


@dataclass
class Repeated(threading.Thread):
    """Repeats an operation on a connection of its own, and measures it, until `stop`."""

    operation: Callable[[int], object]
    seconds: list[float] = field(default_factory=list)
    failure: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        try:
            for number in itertools.count():
                if self.ended.is_set():
                    break
                began = time.perf_counter()
                # While a migration is undone, a table can lack a column of this newer code. A
                # deployment has the old code until then. The wait for a lock still counts.
                with contextlib.suppress(ProgrammingError):
                    self.operation(number)
                self.seconds.append(time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001 - raised again by `stop`
            self.failure = error
        finally:
            connection.close()

    def stop(self) -> float:
        """The longest time in seconds."""
        self.ended.set()
        self.join()
        if self.failure is not None:
            raise self.failure
        return max(self.seconds)


def _open_page(tenants: list[str], email: str) -> Callable[[int], object]:
    client = signed_in(email)

    def open_page(number: int) -> None:
        tenant = tenants[number % len(tenants)]
        address = reverse(f"onboarding:{PAGES[number % len(PAGES)]}", args=[tenant])
        assert client.get(address).status_code == 200

    return open_page


def _record(checks: list[tuple[int, int]]) -> Callable[[int], object]:
    """The writes of a run with the same answer."""

    def record(number: int) -> None:
        check, latest = checks[number % len(checks)]
        Check.objects.filter(pk=check).update(next_due_at=F("next_due_at"))
        Observation.objects.filter(pk=latest).update(runs=F("runs") + 1)
        time.sleep(0.01)

    return record


def _parents() -> dict[str, str]:
    """The migration before the newest one, for each app with migrations after the squashed one."""
    loader = MigrationLoader(connection)
    found = {}
    for app in APPS:
        (leaf,) = loader.graph.leaf_nodes(app)
        of_app = [name for label, name in loader.graph.forwards_plan(leaf) if label == app]
        if len(of_app) > 1:
            found[app] = of_app[-2]
    return found


def _measured(seconds: float, work: Callable[[], object]) -> tuple[float, float]:
    """The longest page and the longest write in seconds, while `work` runs for at least this."""
    person = User.objects.get(email="consultant@load.example")
    tenants = list(Tenant.objects.filter(closed_at=None).values_list("public_id", flat=True)[:50])
    checks = list(Check.objects.exclude(latest=None).values_list("pk", "latest")[:500])
    threads = [Repeated(_open_page(tenants, person.email)), Repeated(_record(checks))]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    work()
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    page, write = (thread.stop() for thread in threads)
    return page, write


def _migrate() -> None:
    began = time.monotonic()
    call_command("migrate", verbosity=0)
    print(f"the migrations took {time.monotonic() - began:.1f} s")


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of tenants."""
    generate(options.size or (30 if options.quick else 5_000), domains=2, months=12)
    for app, name in _parents().items():
        call_command("migrate", app, name, verbosity=0)
    quiet = _measured(2 if options.quick else QUIET_SECONDS, lambda: None)
    busy = _measured(0, _migrate)
    for name, (page, write) in (("quiet", quiet), ("migrating", busy)):
        print(f"{name:10} longest page {page:.2f} s, longest write {write:.2f} s")
    return [
        Bar("migration: longest page, seconds more than without", busy[0] - quiet[0], 1),
        Bar("migration: longest write, seconds more than without", busy[1] - quiet[1], 1),
    ]
