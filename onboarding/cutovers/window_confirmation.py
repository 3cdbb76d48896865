"""What people decide of a cutover: that its window stands, and at what risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from onboarding.cutovers.blockers import WindowBlocker
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover
from onboarding.plans.evaluation import recompute_waits
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity


@dataclass(frozen=True)
class WindowConfirmation:
    """A window as somebody confirms it: the start and the round they were shown, and what they
    agree on."""

    planned_at: datetime
    round: int
    length_minutes: int
    outbound_days: int
    accepted_risk: str = ""


def confirm_window(
    cutover: Cutover, window: WindowConfirmation, *, blockers: Sequence[WindowBlocker], by: User
) -> None:
    """Let the window stand as it is. One that something is known to speak against takes words.

    A window that was moved meanwhile, or got other domains, is not the one that was confirmed.
    """
    if blockers and not window.accepted_risk:
        said = " ".join(blocker.sentence for blocker in blockers)
        raise OnboardingError(f"{said} Move it, or say in words why the risk is taken.")
    accepted_risk = window.accepted_risk if blockers else ""
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
            accepted_risk=accepted_risk,
            accepted_blockers=[blocker.key for blocker in blockers],
        )
        if not confirmed:
            raise ConflictingChange(
                "Somebody changed the cutover meanwhile. Nothing was confirmed."
            )
        write_activity(
            tenant,
            ActivityName.WINDOW_CONFIRMED,
            by=by,
            direction=cutover.direction,
            domains=cutover.domain_summary,
            cutover_id=cutover.public_id,
            planned_at=window.planned_at.isoformat(),
            reason=accepted_risk,
        )
        cutover.plan.touch()
        # After the commit: it holds the plan's tasks, which come before the log.
        transaction.on_commit(lambda: recompute_waits(cutover.plan))
