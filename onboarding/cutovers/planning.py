"""Planning cutovers: which domains switch when. No domain is in two of one direction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, CutoverDomain, CutoverSnapshot, Plan
from onboarding.plans.dates import update_due_dates
from onboarding.plans.evaluation import recompute_waits
from onboarding.plans.planned_cutovers import OPENS_BEFORE, is_open, window_bounds
from tenants.activity_names import ActivityName
from tenants.models import Domain, Tenant, User
from tenants.services import write_activity


def plan_cutover(
    plan: Plan, direction: str, planned_at: datetime, domains: Collection[Domain], *, by: User
) -> Cutover:
    """Plan another cutover of these domains. Of two people who plan one domain, one succeeds."""
    _require_domains(domains)
    with transaction.atomic():
        made = Cutover.objects.create(plan=plan, direction=direction, planned_at=planned_at)
        _add(made, domains)
        update_due_dates(plan)
        _log_activity(made, ActivityName.CUTOVER_PLANNED, by=by)
        transaction.on_commit(partial(recompute_waits, plan))
    return made


def change_cutover(
    cutover: Cutover,
    planned_at: datetime,
    domains: Collection[Domain],
    *,
    expected_round: int,
    by: User,
) -> None:
    """Move a cutover, or choose its domains anew. `expected_round` is the round that was on the page.

    What was confirmed, voted and decided was so of the window and domains as they were, and is
    taken back. Once a window has opened its domains stand; when it is over, those that did not
    switch can be taken out, for another, and what was decided stays as it was.
    """
    _require_domains(domains)
    now = timezone.now()
    with transaction.atomic():
        locked = _lock(cutover)
        if locked.round != expected_round:
            raise ConflictingChange(
                "Somebody changed the cutover meanwhile. It is as they left it."
            )
        before, wanted = set(locked.domains.all()), set(domains)
        is_moved = locked.planned_at != planned_at
        if not is_moved and before == wanted:
            return
        if not is_moved:
            _refuse_after_opening(locked, adds=bool(wanted - before), now=now)
        CutoverDomain.objects.filter(cutover=locked, domain__in=before - wanted).delete()
        _add(locked, wanted - before)
        Cutover.objects.filter(pk=locked.pk).update(planned_at=planned_at)
        if is_moved or now < locked.planned_at - OPENS_BEFORE:
            _reset_approval(locked)
        update_due_dates(locked.plan)
        locked.refresh_from_db()
        _log_activity(locked, ActivityName.CUTOVER_CHANGED, by=by)
        transaction.on_commit(partial(recompute_waits, locked.plan))


def cancel_cutover(cutover: Cutover, *, by: User) -> None:
    """Take a cutover out of the plan; its domains are free for another. What was voted, kept or
    rehearsed in its room stays as its record."""
    with transaction.atomic():
        locked = _lock(cutover)
        opened = locked.snapshots.filter(reason=CutoverSnapshot.Reason.OPENED)
        if is_open(locked, timezone.now()) or opened.exists():
            raise OnboardingError(
                "Its window has opened, and this cutover's room keeps the way back from it. So it"
                " cannot be dropped. Move it instead."
            )
        params = {"direction": locked.direction, "domains": locked.domain_summary}
        plan = locked.plan
        if locked.snapshots.exists() or locked.votes.exists() or locked.dry_runs.exists():
            params["cutover_id"] = locked.public_id
            locked.cancelled_at, locked.cancelled_by, locked.cancelled_domains = (
                timezone.now(),
                by,
                locked.domain_summary,
            )
            locked.save(update_fields=["cancelled_at", "cancelled_by", "cancelled_domains"])
            locked.cutover_domains.all().delete()
        else:
            locked.delete()
        update_due_dates(plan)
        write_activity(plan.tenant, ActivityName.CUTOVER_CANCELLED, by=by, **params)
        plan.touch()
        transaction.on_commit(partial(recompute_waits, plan))


def release_domains(tenant: Tenant, domains: Collection[Domain], *, by: User) -> None:
    """Before domains are removed: their cutovers go on without them, and are decided anew where
    their window has not opened."""
    now = timezone.now()
    with transaction.atomic():
        concerned = CutoverDomain.objects.filter(domain__in=domains).values("cutover")
        of_tenant = Cutover.objects.select_for_update().filter(plan__tenant=tenant)
        for locked in of_tenant.filter(pk__in=concerned).order_by("pk"):
            CutoverDomain.objects.filter(cutover=locked, domain__in=domains).delete()
            if now < locked.planned_at - OPENS_BEFORE:
                _reset_approval(locked)
            _log_activity(locked, ActivityName.CUTOVER_CHANGED, by=by)


def _require_domains(domains: Collection[Domain]) -> None:
    if not domains:
        raise OnboardingError("Choose one domain at least.")


def _lock(cutover: Cutover) -> Cutover:
    """The cutover's row, with all of its direction in one order: domains go from one to another."""
    siblings = Cutover.objects.filter(plan=cutover.plan_id, direction=cutover.direction)
    locked = {c.pk: c for c in siblings.select_for_update().order_by("pk")}.get(cutover.pk)
    if locked is None:
        raise ConflictingChange("Somebody dropped the cutover meanwhile.")
    return locked


def _refuse_after_opening(locked: Cutover, *, adds: bool, now: datetime) -> None:
    opens, closes = window_bounds(locked)
    if now < opens:
        return
    if now < closes:
        raise OnboardingError(
            "The window has opened, so its domains stand as they are. Nothing was changed."
        )
    if adds:
        raise OnboardingError(
            "The window is over, so no domain can be added. Plan another cutover, or move this one."
        )


def _add(cutover: Cutover, domains: Iterable[Domain]) -> None:
    rows = [
        CutoverDomain(cutover=cutover, domain=domain, direction=cutover.direction)
        # In one order: two people who want the same never wait in a circle.
        for domain in sorted(domains, key=lambda domain: domain.pk)
    ]
    try:
        with transaction.atomic():
            CutoverDomain.objects.bulk_create(rows)
    except IntegrityError as error:
        raise ConflictingChange(
            f"One of these domains is in another {cutover.direction} cutover by now. Nothing was"
            " changed."
        ) from error


def _reset_approval(locked: Cutover) -> None:
    """Whoever confirmed and voted, and took the risk, did so for what is no longer planned."""
    Cutover.objects.filter(pk=locked.pk).update(
        round=locked.round + 1,
        confirmed_at=None,
        confirmed_by=None,
        accepted_risk="",
        accepted_blockers=[],
    )


def _log_activity(cutover: Cutover, action: ActivityName, *, by: User) -> None:
    write_activity(
        cutover.plan.tenant,
        action,
        by=by,
        direction=cutover.direction,
        domains=cutover.domain_summary,
        cutover_id=cutover.public_id,
        planned_at=cutover.planned_at.isoformat(),
    )
    cutover.plan.touch()
