"""Plan, change and cancel cutovers. No domain is in two cutovers of one direction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from onboarding.cutovers.cautions import ORDER_CAUTIONS, past_window_error, planning_cautions
from onboarding.cutovers.cutover_events import add_change
from onboarding.cutovers.go_no_go import request_votes, withdraw_votes
from onboarding.cutovers.planning_facts import load_planning_facts
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, CutoverDomain, CutoverSnapshot, Plan
from onboarding.plans.confirmation_facts import reopen_without_facts
from onboarding.plans.dates import update_due_dates
from onboarding.plans.evaluation import recompute_waits_after_commit
from onboarding.plans.planned_cutovers import OPENS_BEFORE, is_open, window_bounds, with_domains
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Domain, Tenant, User
from tenants.services import write_activity

REASON_PROMPT = "Enter the reason for this time."
CHANGE_REASON_PROMPT = "Enter the reason for this change, or cancel the inbound cutover first."


class PastWindow(OnboardingError):
    """The window begins in the past."""

    field = "planned_at"


class ReasonMissing(OnboardingError):
    """The window has cautions, and no reason is given."""

    field = "reason"


_WINDOW_FIELDS = ["planned_at", "planning_reason", "planning_reason_at", "planning_cautions"]


def plan_cutover(
    plan: Plan,
    direction: str,
    planned_at: datetime,
    domains: Collection[Domain],
    *,
    by: User,
    reason: str = "",
) -> Cutover:
    """Plan a cutover of these domains. `reason` is the reason for a time with cautions.

    Raises PastWindow or ReasonMissing for such a time, and ConflictingChange if one of the domains
    is in another cutover of the direction by now.
    """
    _require_domains(domains)
    with transaction.atomic():
        made = Cutover(plan=plan, direction=direction, planned_at=planned_at)
        _set_reason(made, domains, reason, now=database_time.now())
        made.save()
        _add(made, domains)
        update_due_dates(plan)
        _log_activity(made, ActivityName.CUTOVER_PLANNED, by=by)
        add_change(made, "planned")
        plan.touch()
        recompute_waits_after_commit(plan)
    return made


def change_cutover(
    cutover: Cutover,
    planned_at: datetime,
    domains: Collection[Domain],
    *,
    expected_round: int,
    by: User,
    reason: str = "",
) -> None:
    """Reschedule a cutover or change its domains. `expected_round` is the round on the page.

    `reason` is the reason for a time with cautions. It may be empty where the stored one covers
    them. Raises PastWindow or ReasonMissing.

    A change resets the window confirmation, the votes and the decision, because they apply to the
    former window and domains. In an open window the domains cannot change. After the window,
    domains can be removed for another cutover, and the decision remains.
    """
    _require_domains(domains)
    now = database_time.now()
    with transaction.atomic():
        _lock_inbound_too(cutover)
        locked = _lock(cutover)
        _require_round(locked, expected_round)
        before, wanted = set(locked.domains.all()), set(domains)
        cautions = _inbound_cautions(locked, now=now)
        is_moved = locked.planned_at != planned_at
        if not is_moved and before == wanted:
            return
        if not is_moved:
            _refuse_after_opening(locked, adds=bool(wanted - before), now=now)
        is_approval_reset = is_moved or now < locked.planned_at - OPENS_BEFORE
        locked.planned_at = planned_at
        if is_moved or (now < planned_at and wanted - before):
            _set_reason(locked, domains, reason, now=now)
        CutoverDomain.objects.filter(cutover=locked, domain__in=before - wanted).delete()
        _add(locked, wanted - before)
        locked.save(update_fields=_WINDOW_FIELDS)
        _require_inbound_reason(locked, cautions, reason, now=now)
        if is_approval_reset:
            _reset_approval(locked)
        update_due_dates(locked.plan)
        locked.refresh_from_db()
        _log_activity(locked, ActivityName.CUTOVER_CHANGED, by=by)
        add_change(locked, "changed")
        if is_approval_reset:
            request_votes(locked, by=by)
        locked.plan.touch()
        recompute_waits_after_commit(locked.plan)


def _require_round(locked: Cutover, expected: int) -> None:
    if locked.round != expected:
        raise ConflictingChange(
            "The cutover has changed since you opened the page. Your change was not saved."
        )


def cancel_cutover(cutover: Cutover, *, by: User, reason: str = "") -> None:
    """Cancel a cutover and release its domains for another.

    Votes, snapshots and dry runs remain as its record. Raises OnboardingError after the window has
    opened, because the room has the records for a rollback. Raises ReasonMissing without a reason
    if inbound mail of a planned cutover would then switch first.
    """
    with transaction.atomic():
        _lock_inbound_too(cutover)
        locked = _lock(cutover, deletes=True)
        now = database_time.now()
        cautions = _inbound_cautions(locked, now=now)
        opened = locked.snapshots.filter(reason=CutoverSnapshot.Reason.OPENED)
        if is_open(locked, now) or opened.exists():
            raise OnboardingError(
                "Its window has opened, and its room has the records for a rollback. A cutover"
                " cannot be cancelled after that. Reschedule it instead."
            )
        params = {"direction": locked.direction, "domains": locked.domain_summary}
        plan = locked.plan
        add_change(locked, "cancelled")
        if locked.snapshots.exists() or locked.votes.exists() or locked.dry_runs.exists():
            params["cutover_id"] = locked.public_id
            locked.cancelled_at, locked.cancelled_by, locked.cancelled_domains = (
                now,
                by,
                locked.domain_summary,
            )
            locked.save(update_fields=["cancelled_at", "cancelled_by", "cancelled_domains"])
            locked.cutover_domains.all().delete()
        else:
            locked.delete()
        _require_inbound_reason(locked, cautions, reason, now=now)
        update_due_dates(plan)
        reopen_without_facts(plan)
        write_activity(plan.tenant, ActivityName.CUTOVER_CANCELLED, by=by, **params)
        withdraw_votes(locked)
        plan.touch()
        recompute_waits_after_commit(plan)


def lock_cutovers(tenant: Tenant) -> None:
    """Lock all cutovers of the tenant, before the tasks and a removal of their domains."""
    rows = Cutover.objects.select_for_update(of=("self",), no_key=True).filter(plan__tenant=tenant)
    list(rows.order_by("pk").values_list("pk", flat=True))


def release_domains(
    tenant: Tenant, domains: Collection[Domain], *, by: User, reason: str = ""
) -> None:
    """Remove the domains from their cutovers, before they are removed from the tenant.

    A cutover whose window has not opened needs a new confirmation and decision. Raises
    ReasonMissing without a reason if inbound mail of a planned cutover would then switch first.
    """
    now = database_time.now()
    with transaction.atomic():
        affected = CutoverDomain.objects.filter(domain__in=domains).values("cutover")
        of_tenant = Cutover.objects.select_for_update(of=("self",), no_key=True).filter(
            plan__tenant=tenant
        )
        changed = list(of_tenant.filter(pk__in=affected).order_by("pk"))
        outbound = next((c for c in changed if c.direction == Cutover.Direction.OUTBOUND), None)
        if outbound is not None:
            _lock_inbound_too(outbound)
        cautions = _inbound_cautions(outbound, now=now) if outbound is not None else {}
        CutoverDomain.objects.filter(cutover__in=changed, domain__in=domains).delete()
        if outbound is not None:
            _require_inbound_reason(outbound, cautions, reason, now=now)
        for locked in changed:
            if now < locked.planned_at - OPENS_BEFORE:
                _reset_approval(locked)
            _log_activity(locked, ActivityName.CUTOVER_CHANGED, by=by)
            add_change(locked, "changed")
            if now < locked.planned_at - OPENS_BEFORE:
                request_votes(locked, by=by)
        if changed:
            changed[0].plan.touch()


def _lock_inbound_too(cutover: Cutover) -> None:
    """A change of an outbound cutover can store its reason with inbound ones."""
    if cutover.direction == Cutover.Direction.OUTBOUND:
        lock_cutovers(cutover.plan.tenant)


def _inbound_cautions(changed: Cutover, *, now: datetime) -> dict[Cutover, dict[str, str]]:
    """The cautions about the order of each inbound cutover that is ahead; none for a change of an
    inbound cutover. The sentences by key."""
    if changed.direction != Cutover.Direction.OUTBOUND:
        return {}
    ahead = with_domains(
        Cutover.objects.filter(
            plan=changed.plan_id, direction=Cutover.Direction.INBOUND, planned_at__gt=now
        )
    )
    found = {}
    for inbound in ahead:
        domains = list(inbound.domains.all())
        if not domains:
            continue
        facts, others = load_planning_facts(inbound, domains, now=now)
        cautions = planning_cautions(facts, others, [domain.pk for domain in domains])
        found[inbound] = {c.key: c.sentence for c in cautions if c.key in ORDER_CAUTIONS}
    return found


def _require_inbound_reason(
    changed: Cutover, before: dict[Cutover, dict[str, str]], reason: str, *, now: datetime
) -> None:
    """Store the reason with each inbound cutover that a change of an outbound one makes too early.

    `before` are the cautions before the change. Raises ReasonMissing for a new one if the reason
    is empty.
    """
    for inbound, cautions in _inbound_cautions(changed, now=now).items():
        new = {key: text for key, text in cautions.items() if key not in before.get(inbound, {})}
        if not new:
            continue
        if not reason.strip():
            raise ReasonMissing(
                f"The inbound cutover of {inbound.domain_summary} remains planned."
                f" {' '.join(new.values())} {CHANGE_REASON_PROMPT}"
            )
        inbound.planning_cautions = {**inbound.planning_cautions, **new}
        inbound.planning_reason, inbound.planning_reason_at = reason.strip(), now
        inbound.save(update_fields=["planning_cautions", "planning_reason", "planning_reason_at"])


def _require_domains(domains: Collection[Domain]) -> None:
    if not domains:
        raise OnboardingError("Choose at least one domain.")


def _set_reason(
    cutover: Cutover, domains: Collection[Domain], reason: str, *, now: datetime
) -> None:
    """Set the reason and the cautions of a cutover, and their time, without saving it.

    Raises PastWindow for a time that is over, and ReasonMissing for cautions without a reason.
    """
    facts, others = load_planning_facts(cutover, domains, now=now)
    if cutover.planned_at <= now:
        raise PastWindow(past_window_error(facts.tasks.values(), cutover.direction))
    found = planning_cautions(facts, others, [domain.pk for domain in domains])
    cautions = {caution.key: caution.sentence for caution in found}
    if not reason and set(cautions) <= set(cutover.planning_cautions):
        reason = cutover.planning_reason
    if cautions and not reason.strip():
        raise ReasonMissing(f"{' '.join(cautions.values())} {REASON_PROMPT}")
    cutover.planning_cautions = cautions
    cutover.planning_reason = reason.strip() if cautions else ""
    cutover.planning_reason_at = now if cautions else None


def _lock(cutover: Cutover, *, deletes: bool = False) -> Cutover:
    """Lock all cutovers of the direction, because domains change between them; return this one.

    `deletes`: the transaction may delete it, so new votes and snapshots must wait as well.
    """
    siblings = Cutover.objects.filter(plan=cutover.plan_id, direction=cutover.direction)
    rows = siblings.select_for_update(no_key=not deletes).order_by("pk")
    locked = {each.pk: each for each in rows}.get(cutover.pk)
    if locked is None:
        raise ConflictingChange("The cutover has been cancelled.")
    return locked


def _refuse_after_opening(locked: Cutover, *, adds: bool, now: datetime) -> None:
    opens, closes = window_bounds(locked)
    if now < opens:
        return
    if now < closes:
        raise OnboardingError(
            "The window has opened, so its domains cannot change. Nothing was changed."
        )
    if adds:
        raise OnboardingError(
            "The window is over, so no domain can be added. Plan another cutover, or reschedule it."
        )


def _add(cutover: Cutover, domains: Iterable[Domain]) -> None:
    rows = [
        CutoverDomain(cutover=cutover, domain=domain, direction=cutover.direction)
        # In one order: two transactions with the same domains must not deadlock.
        for domain in sorted(domains, key=lambda domain: domain.pk)
    ]
    try:
        with transaction.atomic():
            CutoverDomain.objects.bulk_create(rows)
    except IntegrityError as error:
        raise ConflictingChange(
            f"One of these domains is in another {cutover.direction} cutover now. Nothing was"
            " changed."
        ) from error


def _reset_approval(locked: Cutover) -> None:
    """The confirmation, the votes and the accepted risk apply only to the former window.

    The caller requests new votes after the line of the log: notifications follow it in the order of
    the locks.
    """
    Cutover.objects.filter(pk=locked.pk).update(
        round=locked.round + 1,
        confirmed_at=None,
        confirmed_by=None,
        accepted_risk="",
        accepted_blockers=[],
    )
    locked.refresh_from_db(fields=["round", "planned_at"])


def _log_activity(cutover: Cutover, action: ActivityName, *, by: User) -> None:
    write_activity(
        cutover.plan.tenant,
        action,
        by=by,
        direction=cutover.direction,
        domains=cutover.domain_summary,
        cutover_id=cutover.public_id,
        planned_at=cutover.planned_at.isoformat(),
        reason=cutover.planning_reason,
    )
