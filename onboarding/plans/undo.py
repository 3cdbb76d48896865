"""What the last person's act on a task changed, stored so that a wrong tick can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from onboarding.models import DomainProgress, Task
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
_OF_PART = (*_CONFIRMATION, "exempt_reason", "exempted_at", "exempted_by_id")


def can_undo(task: Task, *, by: User, may_manage_plan: bool) -> bool:
    """The person's own last act, or anybody's for who steers; for a day, and until the next act."""
    stored = task.undo
    if not stored or not (may_manage_plan or stored["by"] == by.pk):
        return False
    at = parse_datetime(stored["at"])
    return at is not None and timezone.now() - at < UNDO_FOR


def restores_confirmations(task: Task) -> bool:
    """Whether undoing confirms anything that is not confirmed now."""
    stored = task.undo
    assert stored is not None, "whoever calls has asked can_undo"
    parts = {str(part.domain_id): part for part in DomainProgress.objects.filter(task=task)}
    pairs: list[tuple[dict[str, Any], Task | DomainProgress | None]] = [(stored["task"], task)]
    pairs += [(before, parts.get(domain_id)) for domain_id, before in stored["parts"].items()]
    return any(
        before[name] is not None and getattr(now, name, None) is None
        for before, now in pairs
        for name in _CONFIRMATION
    )


def restore(task: Task) -> None:
    """Restore the task and its parts as they were before the act."""
    stored = task.undo
    assert stored is not None, "whoever calls has asked can_undo"
    _restore(task, stored["task"], _OF_TASK)
    known = [int(domain_id) for domain_id in stored["parts"]]
    # A domain that was removed meanwhile took its part along.
    for domain in Domain.objects.filter(pk__in=known, tenant__plan=task.plan_id):
        part, _ = DomainProgress.objects.get_or_create(task=task, domain=domain)
        _restore(part, stored["parts"][str(domain.pk)], _OF_PART)
    DomainProgress.objects.filter(task=task).exclude(domain_id__in=known).delete()
    task.undo = None
    task.save(update_fields=["undo"])


def store_undo(task: Task, *, by: User) -> None:
    parts = DomainProgress.objects.filter(task=task) if task.is_per_domain else ()
    task.undo = {
        "by": by.pk,
        "at": timezone.now().isoformat(),
        "task": _snapshot(task, _OF_TASK),
        "parts": {str(part.domain_id): _snapshot(part, _OF_PART) for part in parts},
    }
    task.save(update_fields=["undo"])


def _snapshot(row: Task | DomainProgress, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


def _restore(row: Task | DomainProgress, stored: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        value = stored[name]
        is_moment = name.endswith(("_at", "_until")) and value is not None
        setattr(row, name, parse_datetime(value) if is_moment else value)
    row.save(update_fields=field_names(names))


def field_names(names: Iterable[str]) -> list[str]:
    """Fields as `save` names them, from field_names as rows hold them."""
    return [name.removesuffix("_id") for name in names]
