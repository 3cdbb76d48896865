"""What people decide of a cutover: that its window stands, and at what risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from onboarding.cutovers.objections import Objection
from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.models import Cutover
from onboarding.plans.judging import agree_anew
from tenants.models import User
from tenants.services import write_activity


@dataclass(frozen=True)
class Window:
    """A window as somebody confirms it: the start and the round they were shown, and what they
    agree on."""

    planned_at: datetime
    round: int
    length_minutes: int
    outbound_days: int
    accepted_risk: str = ""


def confirm_window(
    cutover: Cutover, window: Window, *, objections: Sequence[Objection], by: User
) -> None:
    """Let the window stand as it is. One that something is known to speak against takes words.

    A window that was moved meanwhile, or got other domains, is not the one that was confirmed.
    """
    if objections and not window.accepted_risk:
        said = " ".join(objection.sentence for objection in objections)
        raise OnboardingError(f"{said} Move it, or say in words why the risk is taken.")
    words = window.accepted_risk if objections else ""
    tenant = cutover.plan.tenant
    with transaction.atomic():
        shown = Cutover.objects.filter(
            pk=cutover.pk, planned_at=window.planned_at, round=window.round
        )
        confirmed = shown.update(
            length_minutes=window.length_minutes,
            outbound_days=window.outbound_days,
            confirmed_at=timezone.now(),
            confirmed_by=by,
            accepted_risk=words,
            accepted_objections=[objection.key for objection in objections],
        )
        if not confirmed:
            raise MovedMeanwhile("Somebody changed the cutover meanwhile. Nothing was confirmed.")
        write_activity(
            tenant,
            "window-confirmed",
            by=by,
            direction=cutover.direction,
            of=cutover.covers,
            cutover_id=cutover.public_id,
            planned_at=window.planned_at.isoformat(),
            because=words,
        )
        cutover.plan.touch()
        # After the commit: it holds the plan's tasks, which come before the log.
        transaction.on_commit(lambda: agree_anew(cutover.plan))
