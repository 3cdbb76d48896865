"""The bar P7: from a published record to the completed task while a client waits, and to its page.

Real processes: NSD, PostgreSQL, Redis, the beat, the workers and the stream process. The client has
the page open and presses "Check now" up to half a minute before the record is in the zone. All
clients wait at the same time, each in a tenant of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import sync_to_async

from checks import claims
from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant
from onboarding.models import Task, TaskStatus
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plans.proof import ProofSubject
from onboarding.plans.records_to_publish import records_for
from tenants import database_time
from tenants.models import Domain, Host, Membership, Tenant, User
from tests.bench.bars import Bar
from tests.bench.open_pages import HOST, Page, create_sessions, stream_of, stream_process
from tests.bench.path import workers
from tests.bench.recording import KINDS
from tests.bench.world import World, served
from tests.drills.servers import own_redis
from tests.interop.processes import free_port

KEY = "domain-ownership"
LONGEST_WAIT_SECONDS = 30
_GIVE_UP_SECONDS = 300


@dataclass(frozen=True)
class Waiting:
    """A client with an open page, and the check for which it waits."""

    tenant: Tenant
    check: Check
    session: str


def _create_client(domain: str, number: int) -> Waiting:
    profile = {"region": "us", "platform": "microsoft_365", "directory_method": "entra_id"}
    primary = Domain(name=domain, role="primary", ownership_token=f"{number:040x}")
    entry = ProfileEntry([primary], list[Host]())
    tenant = create_tenant(Tenant(name=f"Tenant of {domain}", **profile), entry, by=None)
    Check.objects.filter(tenant=tenant).exclude(kind__in=KINDS).update(is_active=False)
    user = User.objects.create(email=f"client{number}@bench.test", name="Client", password="!")
    Membership.objects.create(tenant=tenant, user=user, role="owner")
    check = Check.objects.get(tenant=tenant, kind=CheckKind.OWNERSHIP)
    return Waiting(tenant, check, create_sessions([user])[0])


def _press_check_now(client: Waiting) -> None:
    """As the button does when the beat sends the runs."""
    checks = list(Check.objects.filter(tenant=client.tenant, is_active=True))
    claims.request_run(checks, now=database_time.now(), may_claim=False)


def _publish(client: Waiting, world: World) -> float:
    """Publish the record that the page shows. Returns the time at which the server has it."""
    check = client.check
    assert check.domain is not None
    subject = ProofSubject(CheckKind.OWNERSHIP, check.domain.name, check)
    (record,) = records_for(subject, client.tenant.region_values)
    world.add_record(check.domain.name, f'{record.name} IN TXT "{record.value}"')
    return time.time()


def _verified_at(client: Waiting) -> float | None:
    task = Task.objects.get(plan__tenant=client.tenant, key=KEY)
    is_verified = task.status == TaskStatus.VERIFIED and task.verified_at is not None
    return task.verified_at.timestamp() if is_verified and task.verified_at else None


async def _wait(client: Waiting, world: World, port: int) -> tuple[float, float]:
    """Seconds from the record to the task, and from the task to the page."""
    loop = asyncio.get_running_loop()
    _, page = await loop.create_connection(
        lambda: Page(stream_of(client.tenant), client.session), HOST, port
    )
    await page.is_open
    await asyncio.sleep(random.uniform(0, LONGEST_WAIT_SECONDS))
    await sync_to_async(_press_check_now)(client)
    await asyncio.sleep(random.uniform(0, LONGEST_WAIT_SECONDS))
    published = await sync_to_async(_publish)(client, world)
    until, seen = time.time() + _GIVE_UP_SECONDS, 0
    while time.time() < until:
        await asyncio.sleep(0.02)
        if len(page.arrivals) == seen:
            continue
        seen = len(page.arrivals)
        verified = await sync_to_async(_verified_at)(client)
        later = [at for at in page.arrivals if verified is not None and at >= verified]
        if verified is not None and later:
            return verified - published, later[0] - verified
    raise TimeoutError(f"{client.tenant} has no verified task")


async def _measure(clients: list[Waiting], world: World, port: int) -> list[tuple[float, float]]:
    return await asyncio.gather(*(_wait(client, world, port) for client in clients))


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of clients."""
    count = options.size or (5 if options.quick else 20)
    with (
        tempfile.TemporaryDirectory(prefix="gangway-bench-") as name,
        contextlib.ExitStack() as stack,
    ):
        folder, port = Path(name), free_port(HOST)
        (zones := folder / "zones").mkdir()
        redis = stack.enter_context(own_redis(folder))
        world = stack.enter_context(served(zones, count))
        register_builtin_templates()
        clients = [_create_client(domain, n) for n, domain in enumerate(world.domains)]
        stack.enter_context(stream_process(folder, port))
        stack.enter_context(workers(world, folder, redis.port, {}))
        measured = asyncio.run(_measure(clients, world, port))
    to_task = sorted(first for first, _ in measured)
    to_page = sorted(second for _, second in measured)
    most = to_task[max(0, round(0.95 * count) - 1)]
    print(
        f"{count} clients: record to task median {statistics.median(to_task):.1f} s, 95 % within"
        f" {most:.1f} s; task to page median {statistics.median(to_page):.2f} s,"
        f" slowest {to_page[-1]:.2f} s"
    )
    return [
        Bar("P7 seconds from record to task, median", statistics.median(to_task), 10),
        Bar("P7 seconds from record to task, 95 %", most, 60),
        Bar("P7 seconds from task to open page, slowest", to_page[-1], 1),
    ]
