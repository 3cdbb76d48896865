"""The windows of planned cutovers, and the domains that no cutover covers yet. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet

from onboarding.models import (
    COMPLETE_STATUSES,
    SKIPPED_STATUSES,
    Cutover,
    Task,
    TaskRole,
)
from onboarding.models.cutovers import join_names
from onboarding.plans.domain_progress import ExemptPairs, in_scope
from onboarding.plans.task_roles import task_with_role
from tenants.models import Domain

# The page of a cutover is live from before its start until mail has used the new route for a while:
# for the length of the window, and at least for CLOSES_AFTER.
OPENS_BEFORE = timedelta(minutes=30)


CLOSES_AFTER = timedelta(hours=4)


def is_open(cutover: Cutover, now: datetime) -> bool:
    """Whether the window of the cutover is open at `now`."""
    opens, closes = window_bounds(cutover)
    return opens <= now < closes


def next_cutover(cutovers: Sequence[Cutover], *, now: datetime) -> Cutover | None:
    """The first cutover that is not over, else the last one; None without a planned cutover.

    `cutovers` are in the order of their windows.
    """
    ahead = [cutover for cutover in cutovers if now < window_bounds(cutover)[1]]
    return next(iter(ahead), cutovers[-1] if cutovers else None)


def window_bounds(cutover: Cutover) -> tuple[datetime, datetime]:
    """The start and the end of the open window of a cutover."""
    return window_bounds_from(cutover.planned_at, cutover.length_minutes)


def window_bounds_from(start: datetime, minutes: int) -> tuple[datetime, datetime]:
    return start - OPENS_BEFORE, start + max(CLOSES_AFTER, timedelta(minutes=minutes))


# The role of the task that a cutover completes. Each of its domains belongs in one cutover, and the
# tasks of its phase are the cutover's run sheet.
ROLE_OF_DIRECTION = {
    Cutover.Direction.OUTBOUND: TaskRole.SWITCHES_OUTBOUND,
    Cutover.Direction.INBOUND: TaskRole.SWITCHES_INBOUND,
}


_BEFORE_THE_PRIMARY = (Domain.Role.TEST, Domain.Role.SECONDARY)


def in_none(
    direction: str,
    tasks: Mapping[str, Task],
    domains: Iterable[Domain],
    exempt: ExemptPairs,
    cutovers: Iterable[Cutover],
) -> list[Domain]:
    """The domains in scope of the direction's task that no cutover covers."""
    task = task_with_role(tasks.values(), ROLE_OF_DIRECTION[Cutover.Direction(direction)])
    if task is None or not task.applies:
        return []
    covered = {
        domain.pk
        for cutover in cutovers
        if cutover.direction == direction
        for domain in cutover.domains.all()
    }
    return [d for d in in_scope(task, domains, exempt) if d.pk not in covered]


def unplanned_for(
    task: Task, tasks: Iterable[Task], planned_directions: Collection[str]
) -> tuple[str, ...]:
    """The directions whose cutover must be planned before the task's confirmation, but is not.

    A direction whose mail has switched, or that is not applicable, needs no date any more.
    """
    if not task.planned_cutovers:
        return ()
    settled = (*COMPLETE_STATUSES, *SKIPPED_STATUSES)
    switched = {each.role for each in tasks if each.status in settled}
    return tuple(
        each
        for each in task.planned_cutovers
        if each not in planned_directions
        and ROLE_OF_DIRECTION[Cutover.Direction(each)] not in switched
    )


def unplanned_refusal(directions: Sequence[str]) -> str:
    """The sentence that names the directions without a cutover; empty without one."""
    if not directions:
        return ""
    named = " and the ".join(directions)
    return f"Plan the {named} cutover first: this task records the agreed dates."


def primary_first(
    cutover: Cutover, cutovers: Sequence[Cutover], left: Sequence[Domain]
) -> Iterator[str]:
    """Warn when the primary domain switches before a test or secondary domain.

    A switch is tried with a test or secondary domain first. `left` are the domains of the
    direction that are in no cutover.
    """
    primary = next((d for d in cutover.domains.all() if d.role == Domain.Role.PRIMARY), None)
    if primary is None:
        return
    later = [
        domain
        for other in cutovers
        if other.direction == cutover.direction and other.planned_at > cutover.planned_at
        for domain in other.domains.all()
    ]
    behind = [str(d) for d in [*later, *left] if d.role in _BEFORE_THE_PRIMARY]
    if behind:
        yield (
            f"The primary domain {primary} switches before {join_names(behind)}."
            " Try the switch with a test or secondary domain first."
        )


def with_domains(cutovers: QuerySet[Cutover]) -> QuerySet[Cutover]:
    """Order the cutovers by their windows and prefetch the domains of each."""
    return cutovers.order_by("planned_at", "pk").prefetch_related("domains")
