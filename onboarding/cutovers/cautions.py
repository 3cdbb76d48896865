"""Cautions about the time of a window. Planning it despite a caution needs a reason. Pure.

1. Inbound mail would switch before outbound mail, or before the agreed outbound days end.
2. The window begins soon, and tasks that the cutover depends on are open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from checks.engine.outcomes import CheckKind
from onboarding.cutovers.readiness import ReadinessFacts, open_tasks_of, outbound_days
from onboarding.models import Cutover, Task
from onboarding.models.cutovers import join_names
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION, window_bounds

# A window that begins sooner leaves no working day for the open tasks.
MIN_NOTICE = timedelta(hours=8)
# The keys of the cautions about the order of the two directions.
ORDER_CAUTIONS = ("order", "early-inbound")


@dataclass(frozen=True)
class PlanningCaution:
    """A caution about a window's time, as a sentence."""

    key: str
    sentence: str


def planning_cautions(
    facts: ReadinessFacts, others: Sequence[Cutover], domain_ids: Iterable[int]
) -> list[PlanningCaution]:
    """The cautions about the window of the facts' cutover, in the order of their danger.

    `others` are the other cutovers of the plan, with their domains. `domain_ids` are the ids of the
    domains that this one switches.
    """
    chosen = set(domain_ids)
    same = [c for c in others if any(domain.pk in chosen for domain in c.domains.all())]
    if facts.cutover.direction == Cutover.Direction.INBOUND:
        # A domain that sends nothing waits for the outbound mail of the others.
        order = _inbound_too_early(facts, _outbound_of(same) or _outbound_of(others))
    else:
        order = _outbound_too_late(facts, same)
    return [*order, *_starts_soon(facts)]


def _outbound_of(cutovers: Sequence[Cutover]) -> list[Cutover]:
    """The outbound cutovers that switch a domain: the removal of a domain can leave none."""
    outbound = [each for each in cutovers if each.direction == Cutover.Direction.OUTBOUND]
    return [each for each in outbound if each.domains.all()]


def _inbound_too_early(
    facts: ReadinessFacts, planned: Sequence[Cutover]
) -> Iterator[PlanningCaution]:
    agreed, start = outbound_days(facts), facts.cutover.planned_at
    if not agreed.is_required or agreed.waived:
        return
    if agreed.ends_at is not None:
        if start < agreed.ends_at:
            end = facts.format_time(agreed.ends_at)
            yield PlanningCaution(
                "early-inbound", f"The {agreed.days} outbound days end on {end}, after this start."
            )
        return
    if not planned:
        sentence = "No outbound cutover is planned or done, so inbound mail would switch first."
        yield PlanningCaution("order", sentence)
        return
    pending = _pending_names(facts)
    covered = {str(domain) for cutover in planned for domain in cutover.domains.all()}
    uncovered = [name for name in pending if name not in covered]
    if uncovered:
        be = "is" if len(uncovered) == 1 else "are"
        sentence = f"{join_names(uncovered)} {be} in no outbound cutover."
        yield PlanningCaution("order", f"{sentence} Inbound mail would switch first.")
        return
    last = max(_still_needed(planned, set(pending)), key=lambda cutover: cutover.planned_at)
    yield from _too_close(facts, outbound=last, inbound=facts.cutover, days=agreed.days)


def _pending_names(facts: ReadinessFacts) -> list[str]:
    """The domains of the cutover whose outbound mail no message has verified yet."""
    subjects = facts.subjects_of(CheckKind.MESSAGE)
    return [s.name for s in subjects if s.settled is None or not s.settled.is_passing]


def _still_needed(planned: Sequence[Cutover], pending: set[str]) -> Sequence[Cutover]:
    """The outbound cutovers of these domains; all of them if none is known."""
    found = [c for c in planned if any(str(domain) in pending for domain in c.domains.all())]
    return found or planned


def _outbound_too_late(facts: ReadinessFacts, same: Sequence[Cutover]) -> Iterator[PlanningCaution]:
    """A later outbound cutover must not end up after an inbound cutover that is still ahead."""
    agreed = outbound_days(facts)
    if not agreed.is_required or agreed.waived or agreed.since is not None:
        return
    for inbound in same:
        is_ahead = facts.now < window_bounds(inbound)[1]
        if inbound.direction == Cutover.Direction.INBOUND and is_ahead:
            yield from _too_close(
                facts, outbound=facts.cutover, inbound=inbound, days=inbound.outbound_days
            )


def _too_close(
    facts: ReadinessFacts, *, outbound: Cutover, inbound: Cutover, days: int
) -> Iterator[PlanningCaution]:
    starts, switches = inbound.planned_at, outbound.planned_at
    inbound_at, outbound_at = facts.format_time(starts), facts.format_time(switches)
    ready_at = switches + timedelta(days=days)
    if starts <= switches:
        sentence = f"Inbound mail would switch on {inbound_at}, before outbound on {outbound_at}."
        yield PlanningCaution("order", sentence)
    elif window_bounds(outbound)[1] <= facts.now:
        sentence = f"Outbound mail has not switched: its window of {outbound_at} is over."
        yield PlanningCaution("order", sentence)
    elif starts < ready_at:
        sentence = (
            f"Outbound mail switches on {outbound_at}, so its {days} days end on"
            f" {facts.format_time(ready_at)}. Inbound mail would switch before, on {inbound_at}."
        )
        yield PlanningCaution("early-inbound", sentence)


def _starts_soon(facts: ReadinessFacts) -> Iterator[PlanningCaution]:
    notice = facts.cutover.planned_at - facts.now
    waiting = [task.title for task in open_tasks_of(facts)]
    if not waiting or notice > MIN_NOTICE:
        return
    hours, minutes = divmod(int(notice.total_seconds()) // 60, 60)
    starts = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    tasks = f"{len(waiting)} tasks" if len(waiting) > 1 else "1 task"
    are = "are" if len(waiting) > 1 else "is"
    # The cutover stores the sentence, so it names the time instead of a distance from now.
    yield PlanningCaution(
        "soon",
        f"On {facts.format_time(facts.now)}, {starts} before its start, {tasks} that it depends on"
        f" {are} open: {join_names(waiting)}.",
    )


def past_window_error(facts_tasks: Iterable[Task], direction: str) -> str:
    """The refusal of a window in the past, with the way to record a switch that happened."""
    role = ROLE_OF_DIRECTION[Cutover.Direction(direction)]
    title = next((task.title for task in facts_tasks if task.role == role), "")
    way = (
        f"To record a switch that has already happened, confirm the task “{title}” in the plan. It"
        " needs no window."
        if title
        else "To record a switch that has already happened, confirm its task in the plan."
    )
    return f"This time is in the past. Enter a later time. {way}"
