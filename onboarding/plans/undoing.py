"""What the last person's act on a task changed, kept so that a wrong tick can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from onboarding.models import DomainPart, Task
from tenants.models import Domain, User

UNDO_FOR = timedelta(days=1)
_WORDS = (
    "mimecast_confirmed_at",
    "mimecast_confirmed_by_id",
    "client_confirmed_at",
    "client_confirmed_by_id",
)
_MARK = ("mark", "mark_because", "marked_at", "marked_by_id", "mark_side", "mark_until")
_OF_TASK = (*_WORDS, *_MARK)
_OF_PART = (*_WORDS, "exempt_because", "exempted_at", "exempted_by_id")


def can_undo(task: Task, *, by: User, may_steer: bool) -> bool:
    """The person's own last act, or anybody's for who steers; for a day, and until the next act."""
    kept = task.undo
    if not kept or not (may_steer or kept["by"] == by.pk):
        return False
    at = parse_datetime(kept["at"])
    return at is not None and timezone.now() - at < UNDO_FOR


def brings_words_back(task: Task) -> bool:
    """Whether undoing confirms anything that is not confirmed now."""
    kept = task.undo
    assert kept is not None, "whoever calls has asked can_undo"
    parts = {str(part.domain_id): part for part in DomainPart.objects.filter(task=task)}
    pairs: list[tuple[dict[str, Any], Task | DomainPart | None]] = [(kept["task"], task)]
    pairs += [(before, parts.get(domain_id)) for domain_id, before in kept["parts"].items()]
    return any(
        before[name] is not None and getattr(now, name, None) is None
        for before, now in pairs
        for name in _WORDS
    )


def put_back(task: Task) -> None:
    """Restore the task and its parts as they were before the act."""
    kept = task.undo
    assert kept is not None, "whoever calls has asked can_undo"
    _restore(task, kept["task"], _OF_TASK)
    known = [int(domain_id) for domain_id in kept["parts"]]
    # A domain that was removed meanwhile took its part along.
    for domain in Domain.objects.filter(pk__in=known, tenant__plan=task.plan_id):
        part, _ = DomainPart.objects.get_or_create(task=task, domain=domain)
        _restore(part, kept["parts"][str(domain.pk)], _OF_PART)
    DomainPart.objects.filter(task=task).exclude(domain_id__in=known).delete()
    task.undo = None
    task.save(update_fields=["undo"])


def remember(task: Task, *, by: User) -> None:
    parts = DomainPart.objects.filter(task=task) if task.is_per_domain else ()
    task.undo = {
        "by": by.pk,
        "at": timezone.now().isoformat(),
        "task": _kept(task, _OF_TASK),
        "parts": {str(part.domain_id): _kept(part, _OF_PART) for part in parts},
    }
    task.save(update_fields=["undo"])


def _kept(row: Task | DomainPart, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


def _restore(row: Task | DomainPart, kept: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        value = kept[name]
        is_moment = name.endswith(("_at", "_until")) and value is not None
        setattr(row, name, parse_datetime(value) if is_moment else value)
    row.save(update_fields=columns(names))


def columns(names: Iterable[str]) -> list[str]:
    """Fields as `save` names them, from columns as rows hold them."""
    return [name.removesuffix("_id") for name in names]
