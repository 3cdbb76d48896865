"""The values of a task before the last action of a user, so that the action can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

from onboarding.models import DomainProgress, Task
from tenants import database_time
from tenants.models import Domain, User

UNDO_FOR = timedelta(days=1)
_CONFIRMATION = (
    "mimecast_confirmed_at",
    "mimecast_confirmed_by_id",
    "client_confirmed_at",
    "client_confirmed_by_id",
)
_MANUAL_STATUS = (
    "manual_status",
    "status_reason",
    "status_set_at",
    "status_set_by_id",
    "status_waiting_on",
    "accepted_until",
)
_OF_TASK = (*_CONFIRMATION, *_MANUAL_STATUS)
_OF_DOMAIN = (*_CONFIRMATION, "exempt_reason", "exempted_at", "exempted_by_id")


def can_undo(task: Task, *, user_id: int | None, may_manage_plan: bool) -> bool:
    """Whether the user may undo the last action: their own, or any for a consultant.

    An action can be undone for one day, and until the next action. Pure.
    """
    stored = task.undo
    if not stored or not (may_manage_plan or stored["by"] == user_id):
        return False
    at = parse_datetime(stored["at"])
    return at is not None and database_time.known_now() - at < UNDO_FOR


def restores_confirmations(task: Task, by_domain: Mapping[int, DomainProgress]) -> bool:
    """Whether undoing restores a confirmation that is missing now. Pure."""
    stored = task.undo
    if not stored:
        return False
    pairs: list[tuple[dict[str, Any], Task | DomainProgress | None]] = [(stored["task"], task)]
    pairs += [
        (before, by_domain.get(int(domain_id))) for domain_id, before in stored["parts"].items()
    ]
    return any(
        before[name] is not None and getattr(now, name, None) is None
        for before, now in pairs
        for name in _CONFIRMATION
    )


def restore(task: Task) -> None:
    """Restore the task and its domains as they were before the last action."""
    stored = task.undo
    assert stored is not None, "the caller has checked can_undo"
    _restore(task, stored["task"], _OF_TASK)
    known = [int(domain_id) for domain_id in stored["parts"]]
    # The rows of a domain that was removed since are gone.
    for domain in Domain.objects.filter(pk__in=known, tenant__plan=task.plan_id):
        row, _ = DomainProgress.objects.get_or_create(task=task, domain=domain)
        _restore(row, stored["parts"][str(domain.pk)], _OF_DOMAIN)
    DomainProgress.objects.filter(task=task).exclude(domain_id__in=known).delete()
    task.undo = None
    task.save(update_fields=["undo"])


def store_undo(task: Task, by_domain: Mapping[int, DomainProgress], *, by: User) -> None:
    """Set `task.undo` to the values before an action, without saving it."""
    task.undo = {
        "by": by.pk,
        "at": database_time.now().isoformat(),
        "task": _snapshot(task, _OF_TASK),
        "parts": {str(pk): _snapshot(row, _OF_DOMAIN) for pk, row in by_domain.items()},
    }


def _snapshot(row: Task | DomainProgress, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


def _restore(row: Task | DomainProgress, stored: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        value = stored[name]
        is_moment = name.endswith(("_at", "_until")) and value is not None
        setattr(row, name, parse_datetime(value) if is_moment else value)
    row.save(update_fields=names)
