"""A soak: many tenants over changing zones, with a fault each minute.

SOAK_MINUTES and SOAK_TENANTS shorten it. At the end nothing is lost, stuck, doubled or wrong, and
no e-mail was sent twice.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import pytest
import requests

from tests.config.product import CHECKOUT
from tests.drills.drill import RUNNING, Drill
from tests.drills.soak_world import SoakWorld
from tests.drills.start import started
from tests.drills.test_recovery import flush
from tests.drills.visitor import Visitor, visitors

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

MINUTES = int(os.environ.get("SOAK_MINUTES", "20"))
TENANTS = int(os.environ.get("SOAK_TENANTS", "500"))
SECONDS_PER_FAULT = 60
PEOPLE, INVITATIONS, SWITCHED = 10, 5, 20
RECOVERY_WITHIN_SECONDS = 60
END_WITHIN_SECONDS = 600
# Two cores run some 2,000 checks in a minute.
_SETTINGS = {"CHECKS_REOPEN_AFTER_SECONDS": "30", "CHECKS_UNSETTLED_SECONDS": "300"}

FAULTS: dict[str, Callable[[Drill], None]] = {
    "checks-worker": partial(Drill.kill, name="checks-worker"),
    "redis": lambda drill: drill.restart(drill.redis),
    "mail-worker": partial(Drill.kill, name="mail-worker"),
    "postgresql": lambda drill: drill.restart(drill.postgresql),
    "flushall": lambda drill: flush(drill.redis),
    "interactive-worker": partial(Drill.kill, name="interactive-worker"),
    "web": partial(Drill.kill, name="web"),
    "beat": partial(Drill.kill, name="beat"),
}


class Recovery(NamedTuple):
    """Seconds after a fault.

    `requested`: the runs that people requested before it, and the first other run, are recorded.
    `interrupted`: every check that was claimed at the fault has run again.
    """

    requested: float
    interrupted: float


class Invitations:
    """Invitations by several people. Their e-mails are counted at the mail server."""

    def __init__(self, world: SoakWorld, people: list[Visitor]) -> None:
        self.world = world
        self.people = itertools.cycle(people)
        # Accepted by the server, and those whose answer was lost with the web process.
        self.accepted: list[str] = []
        self.unknown: list[str] = []
        self._numbers = itertools.count()

    def send(self, number: int) -> None:
        for _ in range(number):
            address = f"new{next(self._numbers)}@outside.test"
            path = f"/t/{random.choice(self.world.tenants)}/people/invite/"
            try:
                answer = next(self.people).post(path, email=address, role="viewer")
            except requests.RequestException:
                self.unknown.append(address)
                continue
            # During a restart of PostgreSQL, the answer is 503.
            (self.accepted if answer.status == 302 else self.unknown).append(address)


def test_soak(tmp_path_factory: pytest.TempPathFactory) -> None:
    with started(
        tmp_path_factory.mktemp("soak"), postgresql=None, checkout=CHECKOUT, **_SETTINGS
    ) as drill:
        drill.mail.hangs = False
        world = SoakWorld(drill, tenants=TENANTS, people=PEOPLE)
        people = visitors(drill, *(f"soak{n}@gangway.test" for n in range(PEOPLE)))
        invitations = Invitations(world, people)
        started_at = drill.query("SELECT now()")[0][0]
        recovery: dict[str, list[Recovery]] = {name: [] for name in FAULTS}
        for _, name in zip(range(MINUTES), itertools.cycle(FAULTS), strict=False):
            until = time.monotonic() + SECONDS_PER_FAULT
            invitations.send(INVITATIONS)
            recovery[name].append(_recovery(drill, world, name))
            invitations.send(INVITATIONS)
            time.sleep(max(0.0, until - time.monotonic()))
        _report(drill, recovery, invitations)
        _assert_nothing_is_lost(drill, world, invitations, started_at)
        assert max(max(each) for of in recovery.values() for each in of) <= RECOVERY_WITHIN_SECONDS


def _recovery(drill: Drill, world: SoakWorld, name: str) -> Recovery:
    """Cause the fault while workers run checks."""
    claimed = drill.wait_for_claim(RUNNING)
    requested = world.request_runs(world.switch(SWITCHED))
    fault_at = drill.query("SELECT clock_timestamp()")[0][0]
    FAULTS[name](drill)
    seconds = drill.seconds_until_run(requested, fault_at, 2 * RECOVERY_WITHIN_SECONDS)
    regular = f"{RUNNING} AND requested_until IS NULL AND checked_at > '{fault_at}'"
    drill.wait_until(lambda: drill.ids(regular), RECOVERY_WITHIN_SECONDS)
    passed = drill.query("SELECT extract(epoch FROM clock_timestamp() - %s)", fault_at)[0][0]
    interrupted = drill.seconds_until_run(claimed, fault_at, 4 * RECOVERY_WITHIN_SECONDS)
    return Recovery(max(seconds, float(passed)), interrupted)


def _report(drill: Drill, recovery: dict[str, list[Recovery]], invitations: Invitations) -> None:
    checks = drill.query(f"SELECT count(*) FROM checks_check WHERE {RUNNING}")[0][0]  # noqa: S608
    print(f"{checks} checks, {TENANTS} tenants, {len(invitations.accepted)} invitations")  # noqa: T201
    for name, found in recovery.items():
        for what, seconds in zip(Recovery._fields, zip(*found, strict=True), strict=False):
            print(  # noqa: T201
                f"{name}, {what}: median {median(seconds):.1f} s, worst {max(seconds):.1f} s"
            )


def _assert_nothing_is_lost(
    drill: Drill, world: SoakWorld, invitations: Invitations, started_at: object
) -> None:
    ended_at = drill.query("SELECT now()")[0][0]
    due = f"{RUNNING} AND next_due_at < now() AND checked_at < '{ended_at}'"
    world.request_runs(world.names_of(is_switched=True))
    until = time.monotonic() + END_WITHIN_SECONDS
    while time.monotonic() < until:
        wrong = world.wrong()
        stuck = drill.ids(due)
        waiting = [a for a in invitations.accepted if not drill.mail.sent_to(a)]
        if not wrong and not stuck and not waiting:
            break
        time.sleep(5)
    lost = drill.ids(f"{RUNNING} AND (checked_at IS NULL OR checked_at < '{started_at}')")
    twice = drill.mail.copies()
    addresses = [*invitations.accepted, *invitations.unknown]
    twice += sum(max(0, len(drill.mail.sent_to(address)) - 1) for address in addresses)
    found = {
        "lost": len(lost),
        "stuck": len(stuck),
        "doubled": drill.doubled(),
        "wrong": len(wrong),
        "e-mails not sent": len(waiting),
        "e-mails sent twice": twice,
    }
    print(found, wrong[:5])  # noqa: T201
    assert set(found.values()) == {0}, drill.logs()
