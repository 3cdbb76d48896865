"""Requests that wait for a condition: the stream process answers them.

A web worker must not wait. It redirects the request to the stream process, whose addresses begin
with /live/. The view is the same in both processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer

from tenants.access import TenantAccess
from tenants.models import ApiToken
from tenants.rest.problems import invalid
from tenants.streams import LONGEST_WAIT_SECONDS, Subscription, WaitResponse, subscription_of

LIVE_PREFIX = "/live"
DEFAULT_SECONDS = 30
PARAMETERS = {
    "wait_for": "`settled`: wait until no run is outstanding and the newest run agrees with the"
    " verdict.",
    "timeout": f"The longest wait in seconds, from 0 to {LONGEST_WAIT_SECONDS};"
    f" {DEFAULT_SECONDS} without it.",
}


def seconds_to_wait(request: HttpRequest) -> int:
    """The seconds that the request may wait; 0 if it does not wait. Raises the 422 error."""
    condition = request.GET.get("wait_for")
    timeout = request.GET.get("timeout", str(DEFAULT_SECONDS))
    if condition not in (None, "settled"):
        raise invalid({"wait_for": ["Wait for “settled”."]})
    is_number = timeout.isascii() and timeout.isdecimal() and len(timeout) < 4
    if not is_number or int(timeout) > LONGEST_WAIT_SECONDS:
        raise invalid({"timeout": [f"Enter seconds from 0 to {LONGEST_WAIT_SECONDS}."]})
    return int(timeout) if condition else 0


def wait(
    request: HttpRequest,
    access: TenantAccess,
    token: ApiToken | None,
    data: Any,
    *,
    is_over: Callable[[], bool],
    seconds: int,
) -> HttpResponseBase:
    """The response of a request that may wait. `data` is the representation as it is now.

    `is_over` runs often, in a thread of the stream process: one query.
    """
    if not request.path.startswith(f"{LIVE_PREFIX}/"):
        return HttpResponseRedirect(_live_address(request), preserve_request=True)
    revision = access.tenant.plan.revision
    response = WaitResponse(
        _subscription(request, access, token),
        str(revision),
        plan_revision=revision,
        seconds=seconds,
        is_over=is_over,
    )
    response["Content-Type"] = "application/json"
    response.content = JSONRenderer().render(data)
    return response


def _live_address(request: HttpRequest) -> str:
    """The address of the stream process: another port with `make run`, a path behind a proxy."""
    path = LIVE_PREFIX + request.get_full_path()
    if not settings.LIVE_PORT:
        return path
    host = request.get_host().rpartition(":")[0] or request.get_host()
    return f"{request.scheme}://{host}:{settings.LIVE_PORT}{path}"


def _subscription(
    request: HttpRequest, access: TenantAccess, token: ApiToken | None
) -> Subscription:
    if token is None:
        return subscription_of(request, access)
    # The view decides again before each response, so that no facts are compared in between.
    return Subscription(
        owner=f"token:{token.pk}",
        tenant_id=access.tenant.pk,
        is_open_tenant=not access.tenant.is_closed,
    )
