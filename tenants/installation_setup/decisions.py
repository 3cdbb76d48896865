"""Decisions of the first run that no other data proves."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import SetupDecision, User
from tenants.regions import load_region_file
from tenants.services import write_activity


def administrators() -> QuerySet[User]:
    """The administrators who can sign in, oldest first."""
    return User.objects.filter(staff_role=User.StaffRole.ADMINISTRATOR, is_active=True).order_by(
        "created_at", "pk"
    )


def region_review() -> SetupDecision | None:
    """The newest review of the region values, also of earlier data. None without a review."""
    return (
        SetupDecision.objects.select_related("decided_by")
        .filter(kind=SetupDecision.Kind.REGIONS)
        .first()
    )


def compiled_on() -> str:
    """The date of the region data of this version, such as 2026-11-23."""
    return load_region_file().compiled.isoformat()


def review_regions(compiled: str, *, by: User) -> bool:
    """Store that the person reviewed the values of this date. False if they are not the current."""
    if compiled != compiled_on():
        return False
    with transaction.atomic():
        _decide(SetupDecision.Kind.REGIONS, by=by, subject=compiled)
        write_activity(None, ActivityName.REGIONS_REVIEWED, by=by, compiled=compiled)
    return True


def is_finished() -> bool:
    return SetupDecision.objects.filter(kind=SetupDecision.Kind.FINISHED).exists()


def finish(*, by: User) -> None:
    """End the first run: it is no longer the home page of administrators."""
    _decide(SetupDecision.Kind.FINISHED, by=by)


def _decide(kind: SetupDecision.Kind, *, by: User, subject: str = "") -> None:
    values = {"subject": subject, "decided_by": by, "decided_at": database_time.now()}
    SetupDecision.objects.update_or_create(kind=kind, defaults=values)
