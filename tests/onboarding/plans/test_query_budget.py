"""The number of queries that the confirmation of a task takes, from the request to the commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from onboarding.models import TaskStatus
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn, fill_fields, task_of
from tests.onboarding.plans.test_transitions import switch_mx

BOTH = "initial-conversation"  # both sides, and other tasks wait for it
CLIENT = "end-user-asset-library"
PER_DOMAIN = "dkim-update"
CHECKED = "spf-update"  # per domain, and a check verifies it

# Two of them read the safe time of the lockdown, which can follow the confirmed task.
MAX_QUERIES = 20
# A requirements sheet and the closure are confirmed by their sign-off, a timed task by its date.
TEMPLATE = load_template_file()
LEAF_KEYS = [
    task.key
    for task in TEMPLATE.tasks
    if task.key not in TEMPLATE.groups
    and not task.role.startswith(("gathers:", "closure"))
    and not task.waits
]


@pytest.fixture
def large(make_tenant: MakeTenant) -> Tenant:
    domains = [("one.test", "primary"), *((f"n{number}.test", "secondary") for number in range(9))]
    return make_tenant("Large", domains=tuple(domains))


def queries_of_confirming(tenant: Tenant, key: str, client: Any) -> int:
    task = task_of(tenant, key)
    address = reverse("onboarding:task-confirm", args=[tenant.public_id, task.public_id])
    with CaptureQueriesContext(connection) as queries:
        response = client.post(address, {"expected": task.status})
    assert response.status_code == 302
    # Outside a test the savepoint is the transaction itself, and no query.
    sent = [query["sql"] for query in queries.captured_queries]
    return len([sql for sql in sent if not sql.startswith(("SAVEPOINT", "RELEASE SAVEPOINT"))])


@pytest.mark.parametrize("key", [CLIENT, BOTH, PER_DOMAIN])
def test_queries_of_client_confirmation(
    tenant: Tenant, owner: User, signed_in: SignIn, key: str
) -> None:
    fill_fields(task_of(tenant, key))
    assert queries_of_confirming(tenant, key, signed_in(owner)) <= MAX_QUERIES
    assert task_of(tenant, key).client_confirmed_by == owner


def test_queries_of_second_confirmation(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    fill_fields(task_of(tenant, BOTH))
    queries_of_confirming(tenant, BOTH, signed_in(owner))

    assert queries_of_confirming(tenant, BOTH, signed_in(consultant)) <= MAX_QUERIES
    assert task_of(tenant, BOTH).status == TaskStatus.DONE


def test_queries_of_checked_task(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    count = queries_of_confirming(tenant, CHECKED, signed_in(owner))

    assert count <= MAX_QUERIES
    assert task_of(tenant, CHECKED).status == TaskStatus.AWAITING_VERIFICATION


@pytest.mark.parametrize("key", [PER_DOMAIN, CHECKED])
def test_queries_for_ten_domains(
    tenant: Tenant, large: Tenant, consultant: User, signed_in: SignIn, key: str
) -> None:
    client = signed_in(consultant)
    for each in (tenant, large):
        each.plan.tasks.filter(key=key).update(responsibility="mimecast")

    for_one = queries_of_confirming(tenant, key, client)

    assert for_one <= MAX_QUERIES
    assert queries_of_confirming(large, key, client) == for_one


@pytest.mark.slow
@pytest.mark.parametrize("key", LEAF_KEYS)
def test_queries_of_every_task(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn, key: str
) -> None:
    """The last confirmation of every task completes it, and other tasks can begin."""
    task = task_of(tenant, key)
    tenant.plan.tasks.filter(key__in=task.depends_on).update(manual_status="not_needed")
    # A skipped dependency passes on its own.
    tenant.plan.tasks.exclude(key=key).update(depends_on=[])
    tenant.plan.tasks.filter(key=key).update(
        responsibility="both", confirmation_suffices=True, applies=True
    )
    switch_mx(tenant, timezone.now() - timedelta(days=8))
    recompute_rollup(tenant.plan)
    filled = fill_fields(task_of(tenant, key))
    for data in filled.fields:
        # After the safe time of the old route.
        if data["type"] == "date" and data["key"] in filled.field_values:
            filled.field_values[data["key"]]["value"] = timezone.localdate().isoformat()
    filled.save()
    for direction in task.planned_cutovers:
        cutover_of(tenant, direction, timezone.now() + timedelta(days=9))
    confirm_task(task, by=consultant, side="mimecast")
    client = signed_in(owner)
    # As a client does: the plan stores the safe times.
    client.get(reverse("onboarding:plan-show", args=[tenant.public_id]))

    count = queries_of_confirming(tenant, key, client)

    assert count <= MAX_QUERIES
    assert task_of(tenant, key).status == TaskStatus.DONE
