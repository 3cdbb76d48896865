"""A person requests runs of checks, on a page or through the API.

The limit is here, so that every page, endpoint and bulk action counts in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from checks.models import Check
from checks.tasks import run_now
from tenants.activity_names import ActivityName
from tenants.errors import TenantError
from tenants.models import Tenant, User
from tenants.request_context import current_request_origin
from tenants.services import write_activity
from tenants.throttle import RateUsage, count_request, too_many_requests, usage_of

# A run queries servers of third parties: enough for a waiting user, too few for a program.
RUN_RATE = "60/m"
RUN_LIMIT = "check-run"


class RunLimitReached(TenantError):
    """The person has requested as many runs as the limit allows. `usage` has the waiting time."""

    def __init__(self, usage: RateUsage) -> None:
        self.usage = usage
        super().__init__(
            f"You can request {usage.limit} runs a minute. No check runs."
            f" Try again in {usage.reset_seconds} s."
        )


def request_runs(tenant: Tenant, checks: Iterable[Check], *, by: User, of: str) -> None:
    """Run the checks now, and record the person in the activity log. Raises RunLimitReached."""
    usage = _count_run(by)
    if usage.is_exceeded:
        raise RunLimitReached(usage)
    with transaction.atomic():
        run_now(checks)
        write_activity(tenant, ActivityName.CHECK_REQUESTED, by=by, subject=of)


def may_run_now(by: User) -> bool:
    """Count one run of an action with another purpose, and return whether it is in the limit.

    Beyond it, the checks run at their scheduled times.
    """
    return not _count_run(by).is_exceeded


def _count_run(by: User) -> RateUsage:
    # The client of `throttle.client_of`, so that all addresses with this limit have one count.
    client = f"user:{by.pk}"
    if current_request_origin().is_repeated:
        # The count has the first attempt already.
        usage = usage_of(RUN_LIMIT, RUN_RATE, client)
        return replace(usage, used=usage.used - 1)
    return count_request(RUN_LIMIT, RUN_RATE, client)


def with_run_limit(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer 429 with Retry-After when `request_runs` refuses a run."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except RunLimitReached as error:
            return too_many_requests(request, error.usage.reset_seconds)

    # For the test that compares the documented limits with the URLs.
    guarded.__dict__["rate_limit"] = (RUN_LIMIT, RUN_RATE, ("POST",))
    return guarded
