"""Streams of open pages: the response that permits one, and the facts behind the permission.

A view returns `StreamResponse`. The stream process (`config.live`) then sends the revisions of the
subscription until the facts change. It then calls the view again, which decides about the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from tenants import database_time
from tenants.access import TenantAccess
from tenants.models import Membership, Tenant, User

# The ids in one query of SQLite.
_PART = 5000
# The `tenant_id` of the stream of a page that shows the notifications of a person alone.
NO_TENANT = 0
# A proxy ends a request without an answer after 60 seconds.
LONGEST_WAIT_SECONDS = 50


class AccessFacts(NamedTuple):
    """The stored values from which `tenants.permissions` and the session decide about a person."""

    password: str
    session_version: int
    is_active: bool
    staff_role: str
    followed: tuple[int, ...]
    membership_role: str | None
    consultant_id: int | None
    closed_at: datetime | None


@dataclass(frozen=True)
class Subscription:
    """The changes that an open page shows.

    `tenant_id`: the tenant of the page, None for all tenants, or NO_TENANT.
    `refresh_seconds`: the page also changes after so many seconds (0: never).
    `recompute_seconds`: the view computes the revision, at most once in so many seconds after a
    change (0: it is the revision of the plan). `at_least_seconds`: the view also computes it after
    so many seconds without a change.
    """

    owner: str
    tenant_id: int | None
    refresh_seconds: int = 0
    recompute_seconds: int = 0
    at_least_seconds: int = 0
    is_open_tenant: bool = False
    user_id: int | None = None
    session_key: str = ""
    facts: AccessFacts | None = None

    @property
    def is_of_person(self) -> bool:
        """Whether the page changes with the notifications of the person alone."""
        return self.tenant_id == NO_TENANT


class StreamResponse(HttpResponse):
    """The permission for a stream, with the current revision.

    The stream process answers with the stream. A web worker, which must not wait, answers 204: the
    page then polls.
    """

    def __init__(
        self, subscription: Subscription, revision: str, *, plan_revision: int = 0
    ) -> None:
        super().__init__(status=204)
        self.subscription = subscription
        self.revision = revision
        # The number in `revision`, unless the view computes it from other values.
        self.plan_revision = plan_revision


class WaitResponse(StreamResponse):
    """The answer of a request that may wait for a change, as it is now.

    The stream process calls the view again after each change, and sends the first response of
    another class. After `seconds`, it sends the response of the view at that time. With `is_over`,
    it calls that function instead, after each change and every two seconds, and the view only after
    the function returns true. A web worker, which must not wait, sends the response at once.
    """

    def __init__(
        self,
        subscription: Subscription,
        revision: str,
        *,
        plan_revision: int,
        seconds: int,
        is_over: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(subscription, revision, plan_revision=plan_revision)
        self.status_code = 200
        self.seconds = min(seconds, LONGEST_WAIT_SECONDS)
        self.is_over = is_over


def subscription_of(
    request: HttpRequest,
    access: TenantAccess | None = None,
    *,
    refresh_seconds: int = 0,
    recompute_seconds: int = 0,
    has_tenants: bool = True,
) -> Subscription:
    """The subscription of a signed-in person to a tenant or to all tenants.

    Without `has_tenants`: to their notifications alone.
    """
    user = request.user
    assert isinstance(user, User)
    tenant = access.tenant if access is not None else None
    all_or_none = None if has_tenants else NO_TENANT
    return Subscription(
        owner=f"user:{user.pk}",
        tenant_id=tenant.pk if tenant is not None else all_or_none,
        refresh_seconds=refresh_seconds,
        recompute_seconds=recompute_seconds,
        is_open_tenant=tenant is not None and not tenant.is_closed,
        user_id=user.pk,
        session_key=request.session.session_key or "",
        # Of the objects on which the view has decided: a later change differs from them.
        facts=AccessFacts(
            user.password,
            user.session_version,
            user.is_active,
            user.staff_role,
            _followed_by([user.pk]).get(user.pk, ()) if _follows(user.staff_role) else (),
            getattr(tenant, "membership_role", None),
            tenant.consultant_id if tenant is not None else None,
            tenant.closed_at if tenant is not None else None,
        ),
    )


def current_facts(subscriptions: Sequence[Subscription]) -> list[AccessFacts | None]:
    """The facts of each subscription now, in at most five queries for 5,000 subscriptions.

    None: the session has ended, or the person is deleted. The facts of a tenant that is deleted
    have no membership, consultant and end.
    """
    alive = _alive_sessions({s.session_key for s in subscriptions})
    users = _users({s.user_id for s in subscriptions if s.user_id is not None})
    tenants = _tenants({s.tenant_id for s in subscriptions if s.tenant_id is not None})
    roles = _membership_roles(users, tenants)
    followed = _followed_by([pk for pk, values in users.items() if _follows(values[3])])
    found: list[AccessFacts | None] = []
    for each in subscriptions:
        user = users.get(each.user_id or 0)
        if user is None or each.session_key not in alive:
            found.append(None)
            continue
        consultant_id, closed_at = tenants.get(each.tenant_id or 0, (None, None))
        role = roles.get((each.user_id or 0, each.tenant_id or 0))
        follows = followed.get(each.user_id or 0, ())
        found.append(AccessFacts(*user, follows, role, consultant_id, closed_at))
    return found


def _rows(
    table: QuerySet[Any], column: str, ids: Collection[Any], *values: str
) -> list[tuple[Any, ...]]:
    """The values of the rows whose column is one of `ids`."""
    if not ids:
        return []
    if connection.vendor == "postgresql":
        # One parameter: Django would prepare each of 5,000 ids of an IN.
        table = table.extra(where=[f"{column} = ANY(%s)"], params=[list(ids)])
        return list(table.values_list(*values))
    found: list[tuple[Any, ...]] = []
    wanted = list(ids)
    for first in range(0, len(wanted), _PART):
        part = wanted[first : first + _PART]
        found += table.filter(**{f"{column}__in": part}).values_list(*values)
    return found


def _alive_sessions(keys: Collection[str]) -> set[str]:
    alive = Session.objects.filter(expire_date__gt=database_time.now())
    return {key for (key,) in _rows(alive, "session_key", keys, "session_key")}


def _users(ids: Collection[int]) -> dict[int, tuple[str, int, bool, str]]:
    names = ("pk", "password", "session_version", "is_active", "staff_role")
    rows = _rows(User.objects.all(), "id", ids, *names)
    return {
        pk: (password, version, is_active, role) for pk, password, version, is_active, role in rows
    }


def _tenants(ids: Collection[int]) -> dict[int, tuple[int | None, datetime | None]]:
    rows = _rows(Tenant.objects.order_by(), "id", ids, "pk", "consultant_id", "closed_at")
    return {pk: (consultant_id, closed_at) for pk, consultant_id, closed_at in rows}


def _membership_roles(
    users: Collection[int], tenants: Collection[int]
) -> dict[tuple[int, int], str]:
    rows = _rows(Membership.objects.all(), "user_id", users, "user_id", "tenant_id", "role")
    return {(user_id, tenant_id): role for user_id, tenant_id, role in rows if tenant_id in tenants}


def _follows(staff_role: str) -> bool:
    return staff_role == User.StaffRole.MANAGER


def _followed_by(managers: Collection[int]) -> dict[int, tuple[int, ...]]:
    """The consultants whom each of these managers follows, by id."""
    through = User.followed_consultants.through.objects.order_by("to_user_id")
    found: dict[int, tuple[int, ...]] = {}
    for manager, consultant in _rows(
        through, "from_user_id", managers, "from_user_id", "to_user_id"
    ):
        found[manager] = (*found.get(manager, ()), consultant)
    return found
