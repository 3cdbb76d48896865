"""Pages read only the observations that they show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Observation
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import RunCheck

SignIn = Callable[[User], Client]

# For each page: whether it shows verdicts of the newest runs, and safe times, which follow from
# the history.
READS = {
    "plan-show": (True, True),
    "my-tasks": (True, True),
    "cutover-room": (True, True),
    "cutovers": (True, True),
    "domains": (True, False),
    "closing": (True, True),
    "people": (False, False),
    "activity": (False, False),
}


def _is_history(sql: str) -> bool:
    return 'FROM "checks_observation"' in sql


@pytest.mark.parametrize(("page", "reads"), READS.items())
def test_page_reads_only_shown_observations(
    tenant: Tenant,
    consultant: User,
    signed_in: SignIn,
    run_check: RunCheck,
    page: str,
    reads: tuple[bool, bool],
) -> None:
    run_check(tenant, CheckKind.MX, Verdict.FAIL)
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=2))
    ids: list[Any] = [tenant.public_id, *([cutover.public_id] if page == "cutover-room" else [])]
    client = signed_in(consultant)
    address = reverse(f"onboarding:{page}", args=ids)
    client.get(address)
    # Stored safe times need no history.
    cache.clear()

    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(address)

    read = [q["sql"] for q in captured if '"checks_observation"' in q["sql"]]
    assert response.status_code == 200
    assert Observation.objects.exists()
    assert (bool(read), any(map(_is_history, read))) == reads


@pytest.mark.parametrize("page", ["plan-show", "my-tasks"])
def test_stored_safe_time_needs_no_history(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck, page: str
) -> None:
    run_check(tenant, CheckKind.MX, Verdict.FAIL)
    client = signed_in(consultant)
    address = reverse(f"onboarding:{page}", args=[tenant.public_id])
    client.get(address)

    with CaptureQueriesContext(connection) as captured:
        client.get(address)

    assert not any(_is_history(q["sql"]) for q in captured)
