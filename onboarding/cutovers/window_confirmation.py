"""Confirm the window of a cutover, with an accepted risk where blockers exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from onboarding.cutovers.blockers import RiskNotAccepted, WindowBlocker
from onboarding.cutovers.cutover_events import add_change
from onboarding.errors import ConflictingChange
from onboarding.models import Cutover
from onboarding.plans.evaluation import recompute_waits_after_commit
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity


@dataclass(frozen=True)
class WindowConfirmation:
    """The window that a person confirms: the start and round on the page, and the agreed values."""

    planned_at: datetime
    round: int
    length_minutes: int
    outbound_days: int
    accepted_risk: str = ""


def confirm_window(
    cutover: Cutover, window: WindowConfirmation, *, blockers: Sequence[WindowBlocker], by: User
) -> None:
    """Confirm the window. With blockers the confirmation needs an accepted risk.

    Raises RiskNotAccepted if the accepted risk is missing, and ConflictingChange if the window or
    its domains changed after the page was loaded.
    """
    if blockers and not window.accepted_risk:
        reasons = " ".join(blocker.sentence for blocker in blockers)
        raise RiskNotAccepted(f"{reasons} Reschedule it, or enter the reason for the risk.")
    accepted_risk = window.accepted_risk if blockers else ""
    tenant = cutover.plan.tenant
    with transaction.atomic():
        shown = Cutover.objects.filter(
            pk=cutover.pk, planned_at=window.planned_at, round=window.round
        )
        confirmed = shown.update(
            length_minutes=window.length_minutes,
            outbound_days=window.outbound_days,
            confirmed_at=database_time.now(),
            confirmed_by=by,
            accepted_risk=accepted_risk,
            accepted_blockers=[blocker.key for blocker in blockers],
        )
        if not confirmed:
            raise ConflictingChange(
                "The cutover has changed since you opened the page. Nothing was confirmed."
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
        cutover.refresh_from_db(fields=["length_minutes"])
        add_change(cutover, "confirmed")
        cutover.plan.touch()
        # After the commit: it locks the plan's tasks, which come before the log in the lock order.
        recompute_waits_after_commit(cutover.plan)
