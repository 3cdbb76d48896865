"""A person requests runs of checks, on a page or through the API."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from checks.models import Check
from checks.tasks import run_now
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity

# A run queries servers of third parties: enough for a waiting user, too few for a program. The
# pages and the API count in one limit.
RUN_RATE = "60/m"
RUN_LIMIT = "check-run"


def request_runs(tenant: Tenant, checks: Iterable[Check], *, by: User, of: str) -> None:
    """Run the checks now, and record the person in the activity log."""
    with transaction.atomic():
        run_now(checks)
        write_activity(tenant, ActivityName.CHECK_REQUESTED, by=by, subject=of)
