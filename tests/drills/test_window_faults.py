"""A domain switches in its cutover window while a process dies: the task is verified, once.

Each fault has a tenant of its own, whose window is open. The zones change at the moment of the
fault.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.drill import NORMAL_WITHIN_SECONDS, WINDOW_WITHIN_SECONDS
from tests.drills.soak_world import DOMAINS_PER_TENANT, SoakWorld
from tests.drills.start import started
from tests.drills.test_recovery import FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

# The mail worker runs no checks.
NAMES = [name for name in FAULTS if name != "mail-worker"]
_OPEN_WINDOWS = """
from datetime import timedelta
from onboarding.cutovers.windows import tighten_intervals
from tenants.database_time import now
from tenants.models import Tenant
from tests.cutovers import cutover_of
for tenant in Tenant.objects.filter(name__startswith="Soak "):
    tighten_intervals(cutover_of(tenant, "inbound", now()))
"""
_TASK = (
    "SELECT task.status FROM onboarding_task task JOIN onboarding_plan p ON p.id = task.plan_id"
    " JOIN tenants_tenant t ON t.id = p.tenant_id"
    " WHERE t.public_id = %s AND task.role = 'switches-inbound'"
)
_LINES = (
    "SELECT count(*) FROM tenants_activityline line JOIN tenants_tenant t ON t.id = line.tenant_id"
    " JOIN onboarding_task task ON task.public_id = line.params ->> 'task_id'"
    " WHERE t.public_id = %s AND line.action = 'task-verified' AND task.role = 'switches-inbound'"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoakWorld]:
    with started(tmp_path_factory.mktemp("drill")) as drill:
        made = SoakWorld(drill, tenants=len(NAMES), people=1)
        drill.shell(_OPEN_WINDOWS)
        mx = drill.ids("cutover_until > now() AND kind = 'mx'")
        assert len(mx) == len(NAMES) * DOMAINS_PER_TENANT
        drill.wait_until(
            lambda: not drill.ids("cutover_until > now() AND settled_verdict = ''"),
            NORMAL_WITHIN_SECONDS,
        )
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_switch_during_fault_is_verified_once(world: SoakWorld, name: str) -> None:
    drill, number = world.drill, NAMES.index(name)
    tenant = world.tenants[number]
    names = list(world.is_switched)[number * DOMAINS_PER_TENANT :][:DOMAINS_PER_TENANT]
    drill.wait_for_claim("cutover_until > now()")
    in_window = drill.ids("cutover_until > now() AND is_active")

    world.switch_these(names)
    fault_at = drill.query("SELECT clock_timestamp()")[0][0]
    FAULTS[name](drill)

    seconds = drill.seconds_until_run(in_window, fault_at, NORMAL_WITHIN_SECONDS)
    drill.wait_until(
        lambda: drill.query(_TASK, tenant) == [("verified",)], 2 * NORMAL_WITHIN_SECONDS
    )
    passed = drill.query("SELECT extract(epoch FROM clock_timestamp() - %s)", fault_at)[0][0]
    print(f"{name}: checked after {seconds:.1f} s, verified after {float(passed):.1f} s")  # noqa: T201
    # Every domain is where its zone says, also those that did not switch.
    assert world.wrong() == []
    assert drill.query(_LINES, tenant) == [(1,)]
    assert drill.doubled() == 0
    assert seconds <= WINDOW_WITHIN_SECONDS
