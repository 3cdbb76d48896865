"""The facts about a window that the planning form shows next to its date field."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from checks.models import Observation
from checks.queries import observations_by_kind
from onboarding.cutovers.blockers import early_window_blockers, freeze_blockers
from onboarding.cutovers.cautions import PlanningCaution, planning_cautions
from onboarding.cutovers.conflicts import ConflictContext, find_conflicts, format_day
from onboarding.cutovers.readiness import (
    ReadinessFacts,
    ReadinessRow,
    earliest_safe_time,
    mta_sts_row,
    open_tasks_of,
    outbound_days,
    pending_switches,
    ttl_row,
)
from onboarding.cutovers.room import load_facts
from onboarding.models import Cutover, Task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.planned_cutovers import with_domains
from onboarding.plans.queries import tasks_of
from onboarding.plans.safe_times import SAFE_TIME_KINDS
from tenants.models import Domain

# The form lists the freezes and holidays of this time from today on.
HORIZON = timedelta(days=90)


def load_planning_facts(
    cutover: Cutover, domains: Collection[Domain], *, now: datetime
) -> tuple[ReadinessFacts, list[Cutover]]:
    """The facts of a cutover with these domains, saved or not, and the plan's other cutovers."""
    plan = cutover.plan
    plan_context = PlanContext.of(plan.tenant)
    others = with_domains(Cutover.objects.filter(plan=plan).exclude(pk=cutover.pk))
    history = list(observations_by_kind(plan_context.checks, list(SAFE_TIME_KINDS)))
    facts = planning_facts(cutover, domains, list(tasks_of(plan)), plan_context, history, now=now)
    return facts, list(others)


def planning_facts(
    cutover: Cutover,
    domains: Collection[Domain],
    tasks: Sequence[Task],
    plan_context: PlanContext,
    history: Sequence[Observation],
    *,
    now: datetime,
) -> ReadinessFacts:
    """The facts of the readiness list for a window that is only entered in the form.

    The checks of an entered window do not run more often yet, so `is_open` is False.
    """
    region = plan_context.tenant.region_values
    ahead = copy.copy(cutover)
    ahead.planned_at = max(cutover.planned_at, now + timedelta(days=1))
    facts = load_facts(ahead, tasks, plan_context, history, region, now=now, domains=domains)
    return replace(facts, cutover=cutover)


@dataclass(frozen=True)
class WindowFacts:
    """The facts next to the date field. `safe_rows` has one row for all domains if they agree."""

    safe_rows: Sequence[ReadinessRow]
    outbound: str
    days_off: Sequence[str]
    open_tasks: Sequence[Task]
    # The first time after all of these; None while one of them is not known.
    earliest: datetime | None


def window_facts(
    facts: ReadinessFacts, others: Sequence[Cutover], calendar: ConflictContext
) -> WindowFacts:
    """The facts about a window of the direction and domains of `facts`. Pure."""
    is_inbound = facts.cutover.direction == Cutover.Direction.INBOUND
    safe_rows = _safe_rows(facts) if is_inbound else []
    outbound, outbound_until = _outbound(facts, others) if is_inbound else ("", facts.now)
    safe_at = _safe_at(facts) if is_inbound else facts.now
    known = None if safe_at is None or outbound_until is None else max(safe_at, outbound_until)
    return WindowFacts(
        safe_rows,
        outbound,
        list(_days_off(calendar, facts.now)),
        open_tasks_of(facts),
        None if known is None or known <= facts.now else after_freezes(known, calendar),
    )


def _safe_at(facts: ReadinessFacts) -> datetime | None:
    """The earliest safe time, after former MTA-STS policies; now if every domain has switched."""
    if facts.safe_times and not pending_switches(facts.safe_times):
        return facts.now
    safe_at = earliest_safe_time(facts.safe_times)
    ends = [policy.safe_at for _, policy in facts.policy_times if policy.safe_at is not None]
    return None if safe_at is None else max([safe_at, *ends])


def _safe_rows(facts: ReadinessFacts) -> list[ReadinessRow]:
    """The row of the readiness list, or one row for each domain if their safe times differ, and the
    row of a former MTA-STS policy that senders still have cached."""
    policies = [p for p in facts.policy_times if p[1].safe_at and p[1].safe_at > facts.now]
    rows = _ttl_rows(facts)
    if policies:
        # A window that begins now, so that the row names the end for any entered time.
        cutover = copy.copy(facts.cutover)
        cutover.planned_at = facts.now
        rows.append(mta_sts_row(replace(facts, cutover=cutover)))
    return rows


def _ttl_rows(facts: ReadinessFacts) -> list[ReadinessRow]:
    if len({safe_time.safe_at for _, safe_time in facts.safe_times}) < 2:
        return [ttl_row(facts)]
    return [
        ttl_row(
            replace(
                facts,
                safe_times=[(name, safe_time)],
                subjects={
                    kind: [subject for subject in subjects if subject.name == name]
                    for kind, subjects in facts.subjects.items()
                },
            )
        )
        for name, safe_time in facts.safe_times
    ]


def _outbound(facts: ReadinessFacts, others: Sequence[Cutover]) -> tuple[str, datetime | None]:
    """The sentence about the outbound days, and their end; None while it is not known."""
    agreed = outbound_days(facts)
    if not agreed.is_required:
        return "No domain of this plan switches outbound mail.", facts.now
    if agreed.waived:
        return agreed.waived, facts.now
    if agreed.decision:
        return agreed.decision, agreed.ends_at
    if agreed.since is not None and agreed.ends_at is not None:
        since, end = facts.format_time(agreed.since), facts.format_time(agreed.ends_at)
        end_word = "ended" if agreed.ends_at <= facts.now else "end"
        sentence = (
            f"Outbound mail leaves through Mimecast since {since}. The {agreed.days} outbound days"
            f" {end_word} on {end}."
        )
        return sentence, agreed.ends_at
    planned = [c.planned_at for c in others if c.direction == Cutover.Direction.OUTBOUND]
    if not planned or max(planned) <= facts.now:
        return (
            f"Outbound mail has not switched. Inbound follows {agreed.days} days after it.",
            None,
        )
    ends_at = max(planned) + timedelta(days=agreed.days)
    sentence = (
        f"The outbound cutover is planned for {facts.format_time(max(planned))}. Its"
        f" {agreed.days} days end on {facts.format_time(ends_at)}."
    )
    return sentence, ends_at


def _days_off(calendar: ConflictContext, now: datetime) -> Iterator[str]:
    """The freezes and holidays within the horizon, in order."""
    today = calendar.calendar.day_of(now)
    last = today + HORIZON
    rows: list[tuple[date, str]] = [
        (day, f"{format_day(day)}: {name} (holiday)")
        for day, name in calendar.holidays.items()
        if today <= day <= last
    ]
    for freeze in calendar.freezes:
        if freeze.last_day < today or freeze.first_day > last:
            continue
        days = format_day(freeze.first_day)
        if freeze.last_day != freeze.first_day:
            days = f"{days} to {format_day(freeze.last_day)}"
        whose = "freeze" if freeze.tenant_id is not None else "freeze for all tenants"
        rows.append((freeze.first_day, f"{days}: {freeze.reason} ({whose})"))
    yield from (sentence for _, sentence in sorted(rows))


def after_freezes(at: datetime, calendar: ConflictContext) -> datetime:
    """The time itself, or the start of the first day after the freezes that it lies in."""
    zone = calendar.calendar.zone
    for freeze in sorted(calendar.freezes, key=lambda freeze: freeze.first_day):
        if freeze.first_day <= calendar.calendar.day_of(at) <= freeze.last_day:
            day = freeze.last_day + timedelta(days=1)
            at = datetime(day.year, day.month, day.day, tzinfo=zone)
    return at


@dataclass(frozen=True)
class WindowWarnings:
    """The effects of an entered window: cautions that need a reason, and other warnings."""

    cautions: Sequence[PlanningCaution] = ()
    warnings: Sequence[str] = ()


def window_warnings(
    facts: ReadinessFacts,
    others: Sequence[Cutover],
    domains: Collection[Domain],
    calendar: ConflictContext,
) -> WindowWarnings:
    """The cautions and the warnings about the window of `facts`. Pure."""
    if facts.cutover.planned_at <= facts.now:
        return WindowWarnings()
    blockers = [*early_window_blockers(facts), *freeze_blockers(facts.cutover, calendar)]
    return WindowWarnings(
        planning_cautions(facts, others, [domain.pk for domain in domains]),
        [*(each.sentence for each in blockers), *find_conflicts(facts.cutover, calendar)],
    )
