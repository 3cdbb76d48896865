"""1,000 people press "Check now" within a second."""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.drills.crowd import Press, p95, request_all
from tests.drills.drill import Drill
from tests.drills.soak_world import SoakWorld
from tests.drills.start import started
from tests.drills.visitor import SESSIONS, Visitor, visitors

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

PEOPLE = int(os.environ.get("OVERLOAD_PEOPLE", "1000"))
PEOPLE_PER_TENANT = 10
IN_WINDOW = 50
# The bars of docs/topics/reliability.md.
MOST_TIMES_A_PAGE = 4.0
RUN_WITHIN_SECONDS = 60
PAGES_MOST_TIMES_QUIET = 2.0
# The smallest page with a session.
BARE_PAGE = "/accounts/sessions/"

_MEMBERS = """
from tenants.models import Membership, Tenant, User
tenants = list(Tenant.objects.filter(name__startswith="Soak ").order_by("pk"))
people = User.objects.bulk_create(
    User(email=f"crowd{{n}}@outside.test", name=f"C {{n}}", password="!") for n in range({people})
)
Membership.objects.bulk_create(
    Membership(tenant=tenants[n // {each}], user=person, role="member")
    for n, person in enumerate(people)
)
"""


def _crowd(drill: Drill) -> list[tuple[str, str, int]]:
    """The session, the address of the button and the check of each person."""
    drill.shell(_MEMBERS.format(people=PEOPLE, each=PEOPLE_PER_TENANT))
    addresses = [f"crowd{n}@outside.test" for n in range(PEOPLE)]
    keys = json.loads(drill.shell(SESSIONS.format(addresses=addresses)))
    checks: dict[int, list[tuple[str, int]]] = {}
    rows = drill.query(
        "SELECT t.id, t.public_id, c.public_id, c.id FROM checks_check c"
        " JOIN tenants_tenant t ON t.id = c.tenant_id WHERE t.name LIKE %s AND c.is_active"
        " AND c.kind NOT IN ('message', 'delivery_message') ORDER BY c.id",
        "Soak %",
    )
    for tenant_id, tenant, check, pk in rows:
        checks.setdefault(tenant_id, []).append((f"/t/{tenant}/checks/{check}/run/", pk))
    of_tenants = list(checks.values())
    return [
        (keys[address], *of_tenants[n // PEOPLE_PER_TENANT][n % PEOPLE_PER_TENANT])
        for n, address in enumerate(addresses)
    ]


class Readers:
    """Other people, who open pages one after the other until `stop`."""

    def __init__(self, people: list[Visitor]) -> None:
        self.seconds: list[float] = []
        self.failed: list[int] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(each,)) for each in people]
        for thread in self._threads:
            thread.start()

    def _read(self, visitor: Visitor) -> None:
        while not self._ended.wait(0.5):
            answer = visitor.get("/tenants/")
            self.seconds.append(answer.seconds)
            if answer.status != 200:
                self.failed.append(answer.status)

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def reading(people: list[Visitor]) -> Iterator[Readers]:
    readers = Readers(people)
    try:
        yield readers
    finally:
        readers.stop()


def _seconds_until_run(drill: Drill, check_ids: list[int], since: Any) -> list[float]:
    """Seconds from `since` until each check has run, in ascending order."""
    late = "SELECT count(*) FROM checks_check WHERE id = ANY(%s) AND (checked_at IS NULL"
    until = time.monotonic() + 10 * RUN_WITHIN_SECONDS
    while drill.query(f"{late} OR checked_at < %s)", check_ids, since)[0][0]:
        assert time.monotonic() < until, drill.logs()
        time.sleep(0.5)
    # The first run of each check after the press.
    rows = drill.query(
        "SELECT extract(epoch FROM min(checked_at) - %s) FROM checks_check"
        " WHERE id = ANY(%s) GROUP BY id",
        since,
        check_ids,
    )
    return sorted(float(seconds) for (seconds,) in rows)


def test_crowd_presses_check_now(tmp_path_factory: pytest.TempPathFactory) -> None:
    with started(tmp_path_factory.mktemp("overload")) as drill:
        tenants = -(-PEOPLE // PEOPLE_PER_TENANT)
        SoakWorld(drill, tenants=tenants, people=2)
        crowd = _crowd(drill)
        every = [check for *_, check in crowd]
        _seconds_until_run(drill, every, drill.query("SELECT now() - interval '1 hour'")[0][0])
        drill.query("UPDATE checks_check SET next_due_at = now() + interval '1 hour'")
        time.sleep(10)
        others = visitors(drill, "soak0@gangway.test", "soak1@gangway.test")

        port = drill.product.port
        bare = request_all(
            port, [Press(key, "GET", BARE_PAGE) for key, *_ in crowd], within_seconds=1
        )
        with reading(others) as readers:
            time.sleep(10)
        quiet = p95(readers.seconds)

        in_window = every[:: len(every) // IN_WINDOW][:IN_WINDOW]
        drill.query(
            "UPDATE checks_check SET cutover_until = now() + interval '1 hour' WHERE id = ANY(%s)",
            in_window,
        )
        since = drill.query("SELECT clock_timestamp()")[0][0]
        presses = [Press(key, "POST", path) for key, path, _ in crowd]
        used = drill.cpu_seconds()
        with reading(others) as readers:
            pressed = request_all(port, random.Random(1).sample(presses, PEOPLE), within_seconds=1)
            of_window = _seconds_until_run(drill, in_window, since)
            of_all = _seconds_until_run(drill, every, since)
        busy = p95(readers.seconds)
        used = drill.cpu_seconds() - used

    _report(bare, pressed, quiet, busy)
    print(  # noqa: T201
        f"checks in a window: all within {of_window[-1]:.1f} s; every check: median"
        f" {of_all[len(of_all) // 2]:.1f} s, all within {of_all[-1]:.1f} s;"
        f" {used:.1f} CPU seconds of the product and its servers"
    )
    assert {each.status for each in bare} == {200}
    assert {each.status for each in pressed} == {302}
    assert readers.failed == []
    times = p95([each.seconds for each in pressed]) / p95([each.seconds for each in bare])
    assert times <= MOST_TIMES_A_PAGE
    assert of_all[-1] <= RUN_WITHIN_SECONDS
    assert of_window[-1] <= of_all[len(of_all) // 2]
    assert busy <= PAGES_MOST_TIMES_QUIET * quiet


def _report(bare: Any, pressed: Any, quiet: float, busy: float) -> None:
    page, press = (p95([each.seconds for each in found]) for found in (bare, pressed))
    print(f"bare pages: p95 {page:.2f} s; presses: p95 {press:.2f} s, {press / page:.1f} times")  # noqa: T201
    print(f"pages of others: p95 {quiet:.2f} s quiet, {busy:.2f} s in the crowd")  # noqa: T201
    print(f"statuses: {sorted({each.status for each in [*bare, *pressed]})}")  # noqa: T201
