"""The bar P10: the cost of idle open pages, and the time until all viewers have a change.

Each page has a person, a session and a connection of its own. A tenth of the pages shows one
tenant, the others share the rest, nine for each tenant. The stream process and PostgreSQL are real
processes; this process is all of the browsers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Plan, PlanTemplate
from tenants.models import Membership, Tenant, User
from tests.bench.bars import Bar
from tests.interop.processes import free_port, wait_for

CHECKOUT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
VIEWERS = 9
OPENING = 64
CHANGES = 10
_TICKS = os.sysconf("SC_CLK_TCK")


class Page(asyncio.Protocol):
    """One open page, with the times at which revisions arrived."""

    def __init__(self, address: str, session: str) -> None:
        self.arrivals: list[float] = []
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines = (f"GET {address} HTTP/1.1", f"Host: {HOST}")
        cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}={session}"
        self._request = "\r\n".join((*lines, cookie, "", "")).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if b"id: " in data:
            self.arrivals.append(time.time())
            if not self.is_open.done():
                self.is_open.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(ConnectionError("no stream"))


def _create_pages(count: int) -> list[tuple[str, str, int]]:
    """The address, the session and the tenant of each page."""
    shared = max(1, count // 10)
    template = PlanTemplate.objects.create(version=999)
    number = 1 + -(-(count - shared) // VIEWERS)
    tenants = Tenant.objects.bulk_create(Tenant(name=f"Tenant {n}") for n in range(number))
    Plan.objects.bulk_create(Plan(tenant=tenant, template=template) for tenant in tenants)
    users = User.objects.bulk_create(
        User(email=f"person{n}@bench.test", name=f"Person {n}", password="!") for n in range(count)
    )
    places = [
        tenants[0] if n < shared else tenants[1 + (n - shared) // VIEWERS] for n in range(count)
    ]
    Membership.objects.bulk_create(
        Membership(user=user, tenant=tenant, role="viewer")
        for user, tenant in zip(users, places, strict=True)
    )
    return [
        (stream_of(tenant), session, tenant.pk)
        for session, tenant in zip(create_sessions(users), places, strict=True)
    ]


def stream_of(tenant: Tenant) -> str:
    return reverse("onboarding:revision-stream", args=[tenant.public_id])


def create_sessions(users: list[User]) -> list[str]:
    """The keys of new sessions, one for each person."""
    store, expires_at = SessionStore(), timezone.now() + timedelta(days=1)
    rows = []
    for user in users:
        stored = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        key = f"bench{user.pk:027d}"
        rows.append(
            Session(session_key=key, session_data=store.encode(stored), expire_date=expires_at)
        )
    return [row.session_key for row in Session.objects.bulk_create(rows)]


@contextlib.contextmanager
def stream_process(folder: Path, port: int) -> Iterator[int]:
    """The process id of the stream process, on the database of the measurement."""
    with open(folder / "live.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.live", "--port", str(port)],
            cwd=CHECKOUT,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(HOST, port, folder / "live.log")
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _database_cpu_seconds() -> float:
    """The CPU time of the backends of this database that run now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return sum(_cpu_seconds(pid) for (pid,) in cursor.fetchall())


def _memory(pid: int) -> int:
    """The resident memory in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000


async def _open_all(places: list[tuple[str, str, int]], port: int) -> list[Page]:
    loop, limit = asyncio.get_running_loop(), asyncio.Semaphore(OPENING)

    async def open_one(address: str, session: str) -> Page:
        async with limit:
            _, page = await loop.create_connection(lambda: Page(address, session), HOST, port)
            await page.is_open
            return page

    return await asyncio.gather(*(open_one(address, key) for address, key, _ in places))


async def _measure(
    places: list[tuple[str, str, int]], port: int, pid: int, seconds: int
) -> list[Bar]:
    began, before = time.perf_counter(), _cpu_seconds(pid)
    pages = await _open_all(places, port)
    opening, used = time.perf_counter() - began, _cpu_seconds(pid) - before
    each = 1000 * used / len(pages)
    print(f"{len(pages)} pages opened in {opening:.1f} s, {each:.1f} ms of CPU each")
    await asyncio.sleep(5)
    idle, database = _cpu_seconds(pid), await sync_to_async(_database_cpu_seconds)()
    await asyncio.sleep(seconds)
    idle = 100 * (_cpu_seconds(pid) - idle) / seconds
    database = 100 * (await sync_to_async(_database_cpu_seconds)() - database) / seconds
    print(
        f"idle for {seconds} s: {idle:.1f} % of a core, PostgreSQL {database:.1f} %,"
        f" {_memory(pid)} MB"
    )
    shared = places[0][2]
    viewers = [page for page, place in zip(pages, places, strict=True) if place[2] == shared]
    delays = [await _change(viewers, shared) for _ in range(CHANGES)]
    print(
        f"a change reaches {len(viewers)} viewers: median {statistics.median(delays):.3f} s,"
        f" slowest {max(delays):.3f} s"
    )
    return [
        Bar(f"P10 {len(pages)} idle pages, % of a core", idle, 5),
        Bar("P10 seconds until all viewers have a change", max(delays), 1),
    ]


async def _change(viewers: list[Page], tenant_id: int) -> float:
    """Seconds from the commit until the last viewer has the revision."""
    plan = await Plan.objects.aget(tenant=tenant_id)
    counted = [(page, len(page.arrivals)) for page in viewers]
    await sync_to_async(plan.touch)()
    began = time.time()
    while any(len(page.arrivals) == before for page, before in counted):
        await asyncio.sleep(0.001)
        if time.time() - began > 30:
            raise TimeoutError("a viewer has no event")
    return max(0.0, max(page.arrivals[-1] for page in viewers) - began)


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of pages."""
    count = options.size or (200 if options.quick else 5000)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    places = _create_pages(count)
    port = free_port(HOST)
    with (
        tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder,
        stream_process(Path(folder), port) as pid,
    ):
        return asyncio.run(_measure(places, port, pid, 10 if options.quick else 60))
