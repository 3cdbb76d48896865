"""Writes to people and to the activity log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.usersessions.models import UserSession
from django.db.models import F
from django.http import HttpRequest

from tenants.activity import add_line
from tenants.activity_names import ActivityName
from tenants.models import ActivityLine, Tenant, User


def write_activity(
    tenant: Tenant | None, action: ActivityName, *, by: User | None = None, **params: Any
) -> ActivityLine:
    """Add a line to the tenant's activity log, or to the installation's if `tenant` is None.

    `by` is None when a check or Gangway itself acted. `params` is JSON: the objects of the action,
    and their values before and after. Raises TypeError for an action that is not a member.
    """
    return add_line(tenant, action, by=by, params=params)


def lock_people(ids: Iterable[int]) -> None:
    """Lock these accounts, by id, after their tenants and before the chain of a log.

    A rule "at most n" of one person counts after this lock.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=list(ids)).order_by("pk")
    list(rows.values_list("pk"))


def end_sessions(user: User) -> None:
    """End all sessions of a person, from the next request."""
    for session in UserSession.objects.filter(user=user):
        session.end()
    User.objects.filter(pk=user.pk).update(session_version=F("session_version") + 1)


def log_sign_in(
    user: User | None, action: ActivityName, request: HttpRequest | None, **params: Any
) -> ActivityLine:
    """Add a line about a sign-in or a change of credentials. `user` is None if unknown.

    It belongs to the installation's log, because a person can belong to several tenants. Address
    and user agent come from the current request.
    """
    return write_activity(None, action, by=user, **params)
