"""What people decide of a cutover: that its window stands, and at what risk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.judging import agree_anew
from onboarding.models import Cutover
from tenants.models import User
from tenants.services import write_activity


@dataclass(frozen=True)
class Window:
    """A window as somebody confirms it: the start they were shown, and what they agree on."""

    planned_at: datetime
    length_minutes: int
    outbound_days: int
    accepted_risk: str = ""


def confirm_window(cutover: Cutover, window: Window, *, needs_words: bool, by: User) -> None:
    """Let the window stand as it is. One that is not known to be safe takes words.

    A window that was moved meanwhile is not the one that was confirmed.
    """
    if needs_words and not window.accepted_risk:
        raise OnboardingError(
            "It is not known that the old answer has left every cache when this window begins."
            " Move it, or say in words why the risk is taken."
        )
    tenant = cutover.plan.tenant
    with transaction.atomic():
        confirmed = Cutover.objects.filter(pk=cutover.pk, planned_at=window.planned_at).update(
            length_minutes=window.length_minutes,
            outbound_days=window.outbound_days,
            confirmed_at=timezone.now(),
            confirmed_by=by,
            accepted_risk=window.accepted_risk if needs_words else "",
        )
        if not confirmed:
            raise MovedMeanwhile("Somebody moved the window meanwhile. Nothing was confirmed.")
        write_activity(
            tenant,
            "window-confirmed",
            by=by,
            direction=cutover.direction,
            planned_at=window.planned_at.isoformat(),
            because=window.accepted_risk if needs_words else "",
        )
        cutover.plan.touch()
        # After the commit: it holds the plan's tasks, which come before the log.
        transaction.on_commit(lambda: agree_anew(cutover.plan))
