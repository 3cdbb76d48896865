"""Planning cutovers: which domains switch when. No domain is in two of one direction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from onboarding.cutovers.windows import OPENS_BEFORE, is_open, span_of
from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.models import Cutover, CutoverDomain, CutoverSnapshot, Plan
from onboarding.plans.dates import follow_dates
from onboarding.plans.judging import agree_anew
from tenants.models import Domain, Tenant, User
from tenants.services import write_activity


def plan_cutover(
    plan: Plan, direction: str, planned_at: datetime, domains: Collection[Domain], *, by: User
) -> Cutover:
    """Plan another cutover of these domains. Of two people who plan one domain, one succeeds."""
    _need_domains(domains)
    with transaction.atomic():
        made = Cutover.objects.create(plan=plan, direction=direction, planned_at=planned_at)
        _add(made, domains)
        follow_dates(plan)
        _note(made, "cutover-planned", by=by)
        transaction.on_commit(partial(agree_anew, plan))
    return made


def change_cutover(
    cutover: Cutover, planned_at: datetime, domains: Collection[Domain], *, shown: int, by: User
) -> None:
    """Move a cutover, or choose its domains anew. `shown` is the round that was on the page.

    What was confirmed, voted and decided was so of the window and domains as they were, and is
    taken back. Once a window has opened its domains stand; when it is over, those that did not
    switch can be taken out, for another, and what was decided stays as it was.
    """
    _need_domains(domains)
    now = timezone.now()
    with transaction.atomic():
        held = _hold(cutover)
        if held.round != shown:
            raise MovedMeanwhile("Somebody changed the cutover meanwhile. It is as they left it.")
        before, wanted = set(held.domains.all()), set(domains)
        is_moved = held.planned_at != planned_at
        if not is_moved and before == wanted:
            return
        if not is_moved:
            _refuse_after_opening(held, adds=bool(wanted - before), now=now)
        CutoverDomain.objects.filter(cutover=held, domain__in=before - wanted).delete()
        _add(held, wanted - before)
        Cutover.objects.filter(pk=held.pk).update(planned_at=planned_at)
        if is_moved or now < held.planned_at - OPENS_BEFORE:
            _take_back(held)
        follow_dates(held.plan)
        held.refresh_from_db()
        _note(held, "cutover-changed", by=by)
        transaction.on_commit(partial(agree_anew, held.plan))


def drop_cutover(cutover: Cutover, *, by: User) -> None:
    """Take a cutover out of the plan; its domains are free for another. What was voted, kept or
    rehearsed in its room stays as its record."""
    with transaction.atomic():
        held = _hold(cutover)
        opened = held.snapshots.filter(reason=CutoverSnapshot.Reason.OPENED)
        if is_open(held, timezone.now()) or opened.exists():
            raise OnboardingError(
                "Its window has opened, and this cutover's room keeps the way back from it. So it"
                " cannot be dropped. Move it instead."
            )
        told = {"direction": held.direction, "of": held.covers}
        plan = held.plan
        if held.snapshots.exists() or held.votes.exists() or held.rehearsals.exists():
            told["cutover_id"] = held.public_id
            held.dropped_at, held.dropped_by, held.dropped_of = timezone.now(), by, held.covers
            held.save(update_fields=["dropped_at", "dropped_by", "dropped_of"])
            held.chosen.all().delete()
        else:
            held.delete()
        follow_dates(plan)
        write_activity(plan.tenant, "cutover-dropped", by=by, **told)
        plan.touch()
        transaction.on_commit(partial(agree_anew, plan))


def release_domains(tenant: Tenant, domains: Collection[Domain], *, by: User) -> None:
    """Before domains are removed: their cutovers go on without them, and are decided anew where
    their window has not opened."""
    now = timezone.now()
    with transaction.atomic():
        concerned = CutoverDomain.objects.filter(domain__in=domains).values("cutover")
        of_tenant = Cutover.objects.select_for_update().filter(plan__tenant=tenant)
        for held in of_tenant.filter(pk__in=concerned).order_by("pk"):
            CutoverDomain.objects.filter(cutover=held, domain__in=domains).delete()
            if now < held.planned_at - OPENS_BEFORE:
                _take_back(held)
            _note(held, "cutover-changed", by=by)


def _need_domains(domains: Collection[Domain]) -> None:
    if not domains:
        raise OnboardingError("Choose one domain at least.")


def _hold(cutover: Cutover) -> Cutover:
    """The cutover's row, with all of its direction in one order: domains go from one to another."""
    siblings = Cutover.objects.filter(plan=cutover.plan_id, direction=cutover.direction)
    held = {c.pk: c for c in siblings.select_for_update().order_by("pk")}.get(cutover.pk)
    if held is None:
        raise MovedMeanwhile("Somebody dropped the cutover meanwhile.")
    return held


def _refuse_after_opening(held: Cutover, *, adds: bool, now: datetime) -> None:
    opens, closes = span_of(held)
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
        raise MovedMeanwhile(
            f"One of these domains is in another {cutover.direction} cutover by now. Nothing was"
            " changed."
        ) from error


def _take_back(held: Cutover) -> None:
    """Whoever confirmed and voted, and took the risk, did so for what is no longer planned."""
    Cutover.objects.filter(pk=held.pk).update(
        round=held.round + 1,
        confirmed_at=None,
        confirmed_by=None,
        accepted_risk="",
        accepted_objections=[],
    )


def _note(cutover: Cutover, act: str, *, by: User) -> None:
    write_activity(
        cutover.plan.tenant,
        act,
        by=by,
        direction=cutover.direction,
        of=cutover.covers,
        cutover_id=cutover.public_id,
        planned_at=cutover.planned_at.isoformat(),
    )
    cutover.plan.touch()
