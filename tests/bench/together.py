"""The bar P12: 20 people who write at the same time, in one tenant and in twenty tenants.

Real web processes, workers and a beat over PostgreSQL and Redis. Every few seconds each person
opens a page of the tenant, chooses one of its forms, fills in its fields and sends it. Half of the
people are consultants, half are owners of the tenant. The workers record runs of its checks.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.db.models.functions import Now
from django.urls import resolve, reverse

from checks.models import Check
from onboarding.management.commands.generate_load import generate
from onboarding.models import Phase
from tenants.models import Membership, Tenant, User
from tests.actions import Form, forms_on, value_of
from tests.bench.bars import Bar
from tests.bench.path import CHECKOUT, CORES, workers
from tests.bench.world import served
from tests.drills.crowd import p95
from tests.drills.servers import HOST, own_redis
from tests.drills.visitor import CSRF
from tests.interop.processes import free_port, running

PEOPLE, DOMAINS = 20, 4
SECONDS, QUICK_SECONDS = 600, 8
# A person who reads the page before the next form.
EVERY_SECONDS = 5.0
_MOST_SECONDS = 60
# Pages with the forms of a tenant's daily work.
PAGES = ("plan-show", "my-tasks", "domains", "cutovers", "schedule", "people", "requirements")
# Forms that end the tenant's implementation or the access of other people.
LEFT_OUT = ("close", "closing", "erase", "people", "remove", "profile", "upgrade", "export")


@dataclass
class Measured:
    """The requests of all people: seconds of pages and of writes, and the number of each status."""

    pages: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    deadlocks: int = 0

    @property
    def server_errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500)

    @property
    def accepted(self) -> int:
        return sum(count for status, count in self.statuses.items() if status < 400)


class Person(threading.Thread):
    """Opens pages of one tenant and sends their forms until `until`."""

    def __init__(self, address: str, session: str, paths: Sequence[str], until: float) -> None:
        super().__init__()
        self.address, self.paths, self.until = address, paths, until
        self.random = random.Random(session)
        self.found = Measured()
        self.failure: Exception | None = None
        self._http = requests.Session()
        self._http.cookies.update({"sessionid": session, "csrftoken": CSRF})

    def run(self) -> None:
        try:
            time.sleep(self.random.uniform(0, EVERY_SECONDS))
            while (began := time.monotonic()) < self.until:
                self._act()
                rest = self.random.uniform(0.5, 1.5) * EVERY_SECONDS - (time.monotonic() - began)
                time.sleep(max(0.0, min(rest, self.until - time.monotonic())))
        except Exception as error:  # noqa: BLE001 - raised again in the thread of the measurement
            self.failure = error

    def _act(self) -> None:
        page = self.random.choice(self.paths)
        shown, seconds = self._send("GET", page)
        self.found.pages.append(seconds)
        forms = [form for form in forms_on(shown) if _is_daily(form.action or page)]
        if not forms:
            return
        form = self.random.choice(forms)
        target = form.action or page
        _, seconds = self._send("POST", target, _filled(form, self.random))
        self.found.writes.append(seconds)
        self.found.actions[resolve(target.partition("?")[0]).view_name] += 1

    def _send(self, method: str, path: str, data: object = None) -> tuple[str, float]:
        began = time.monotonic()
        answer = self._http.request(
            method,
            f"{self.address}{path}",
            data=data,  # type: ignore[arg-type]
            headers={"X-CSRFToken": CSRF},
            allow_redirects=False,
            timeout=60,
        )
        seconds = time.monotonic() - began
        if method == "POST":
            self.found.statuses[answer.status_code] += 1
        elif answer.status_code >= 500:
            raise RuntimeError(f"{path}: status {answer.status_code}")
        return answer.text, seconds


def _is_daily(path: str) -> bool:
    return path.startswith("/t/") and not any(
        word in path.partition("/t/")[2].partition("/")[2] for word in LEFT_OUT
    )


def _filled(form: Form, choice: random.Random) -> dict[str, object]:
    data = {entry["name"]: value_of(entry) for entry in form.fields}
    named = [button for button in form.buttons if button.get("name")]
    if named:
        button = choice.choice(named)
        data[button["name"]] = button.get("value", "")
    return {name: value for name, value in data.items() if isinstance(value, str)}


def _sessions(people: Sequence[User]) -> list[str]:
    keys = []
    for person in people:
        session = SessionStore()
        session[SESSION_KEY] = str(person.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = person.get_session_auth_hash()
        session.create()
        keys.append(str(session.session_key))
    return keys


def _people(name: str, tenants: Sequence[Tenant]) -> list[User]:
    """PEOPLE people, the first half consultants, in turn at the tenants."""
    people = []
    for number in range(PEOPLE):
        role = "consultant" if number < PEOPLE // 2 else ""
        address = f"{name}{number}@together.example"
        person = User.objects.create_user(address, None, name=f"P {number}", staff_role=role)
        if not role:
            tenant = tenants[number % len(tenants)]
            Membership.objects.create(tenant=tenant, user=person, role="owner")
        people.append(person)
    return people


def _paths(tenant: Tenant) -> list[str]:
    paths = [reverse(f"onboarding:{name}", args=[tenant.public_id]) for name in PAGES]
    phases = Phase.objects.filter(plan__tenant=tenant).values_list("key", flat=True)
    return paths + [f"{paths[0]}?phase={phase}" for phase in phases]


def _warm_up(address: str, session: str, tenants: Sequence[Tenant]) -> None:
    """Wait until the checks have run once and each web process has rendered the pages."""
    until = time.monotonic() + _MOST_SECONDS
    new = Check.objects.filter(is_active=True, tenant__in=tenants, next_due_at__lte=Now())
    while new.exists() and time.monotonic() < until:
        time.sleep(0.2)
    for path in _paths(tenants[0]) * CORES:
        requests.get(f"{address}{path}", cookies={"sessionid": session}, timeout=60)


def _deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def measure(address: str, name: str, tenants: Sequence[Tenant], seconds: float) -> Measured:
    sessions = _sessions(_people(name, tenants))
    _warm_up(address, sessions[0], tenants)
    before, until = _deadlocks(), time.monotonic() + seconds
    people = [
        Person(address, session, _paths(tenants[number % len(tenants)]), until)
        for number, session in enumerate(sessions)
    ]
    for person in people:
        person.start()
    total = Measured()
    for person in people:
        person.join()
        if person.failure is not None:
            raise person.failure
        total.pages += person.found.pages
        total.writes += person.found.writes
        total.statuses += person.found.statuses
        total.actions += person.found.actions
    time.sleep(2)  # The server collects its statistics.
    total.deadlocks = _deadlocks() - before
    print(
        f"{name}: {len(total.writes)} forms of {len(total.actions)} kinds, median"
        f" {1000 * statistics.median(total.writes):.0f} ms, p95 {1000 * p95(total.writes):.0f} ms;"
        f" pages p95 {1000 * p95(total.pages):.0f} ms; statuses {dict(total.statuses)};"
        f" {total.deadlocks} deadlocks"
    )
    return total


@contextlib.contextmanager
def _web(folder: Path, redis_port: int) -> Iterator[str]:
    """The web processes as in the container. Returns their address."""
    port = free_port(HOST)
    environment = {
        "CELERY_BROKER_URL": f"redis://{HOST}:{redis_port}/0",
        "REDIS_URL": f"redis://{HOST}:{redis_port}/1",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn"]
    command += ["--chdir", str(CHECKOUT), "--bind", f"{HOST}:{port}", "--workers", str(CORES + 1)]
    changed = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        with running(command, folder / "web.log", HOST, port):
            yield f"http://{HOST}:{port}"
    finally:
        for name, value in changed.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _bars(name: str, found: Measured) -> list[Bar]:
    return [
        Bar(f"P12 deadlocks, {name}", found.deadlocks, 0),
        Bar(f"P12 server errors, {name}", found.server_errors, 0),
        Bar(f"P12 ms of a write, 95 %, {name}", 1000 * p95(found.writes), 500),
    ]


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of seconds of each of the two measurements."""
    seconds = options.size or (QUICK_SECONDS if options.quick else SECONDS)
    generate(PEOPLE, domains=DOMAINS, months=1)
    tenants = list(Tenant.objects.filter(closed_at=None).order_by("pk"))
    with (
        tempfile.TemporaryDirectory(prefix="gangway-bench-") as name,
        own_redis(Path(name)) as redis,
    ):
        folder = Path(name)
        (zones := folder / "zones").mkdir()
        with (
            served(zones, 10) as world,
            workers(world, folder, redis.port, CHECKS_UNSETTLED_SECONDS="60"),
            _web(folder, redis.port) as address,
        ):
            bars = _bars("one tenant", measure(address, "one", tenants[3:4], seconds))
            bars += _bars("twenty tenants", measure(address, "twenty", tenants, seconds))
    return bars
