"""The entries of "Needs you", from the stored risks and the roll-up of the person's tenants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.conf import settings
from django.urls import reverse

from checks.models import Check
from onboarding.models import Comment, Cutover, Drift, PlanRisk, Task
from onboarding.models.cutovers import join_names
from onboarding.plans.business_time import Calendar
from onboarding.plans.dates import calendars_of, days_late
from onboarding.plans.next_action import contradicting_checks
from onboarding.plans.plan_context import PlanContext
from onboarding.portfolio.desk import queries
from onboarding.portfolio.desk.entries import (
    DeskEntry,
    Group,
    Kind,
    TenantLabel,
    in_order,
    url_of_task,
)
from onboarding.portfolio.risk_list import url_of
from onboarding.portfolio.risks import BLOCKED_WITHIN, ON_CALL_WITHIN, sentence_of
from onboarding.portfolio.tenant_status import newest_finding
from tenants.models import Tenant, User
from tenants.proposals import OpenProposal, open_proposals

_Code = PlanRisk.Code
_BLOCKING_CODES = {_Code.OVERDUE, _Code.BLOCKED}
_ACTIONS = {
    _Code.REGRESSED: "Open task",
    _Code.FAILING: "See evidence",
    _Code.DRIFT: "See drift",
    _Code.OVERDUE: "Open room",
    _Code.BLOCKED: "See blockers",
    _Code.LATE: "See schedule",
    _Code.NO_APPROVER: "Name approver",
    _Code.NO_ON_CALL: "Name person",
}
_LONGEST_QUOTE = 160


@dataclass(frozen=True)
class DeskNeeds:
    """All entries, most urgent first. Without `is_complete`, a source has more rows."""

    entries: Sequence[DeskEntry]
    is_complete: bool = True


def needs_of(user: User, *, now: datetime) -> DeskNeeds:
    """The entries of a person, in a constant number of queries."""
    risks = list(queries.risks_of(user))
    votes = list(queries.cutovers_to_vote_on(user, now=now))
    questions = list(queries.open_questions(user))
    domains, hosts = list(queries.proposed_values(user)), list(queries.proposed_hosts(user))
    contradicted = list(queries.maybe_contradicted_tasks(user))
    drifts = list(queries.drifts_of_closed_tenants(user, now=now))
    found = dict(_contradicting(contradicted))
    # The question or the contradiction is the entry of its task.
    listed = {question.task_id for question in questions} | {task.pk for task in found}
    # Two queries, because an index serves each.
    unassigned, assigned = list(queries.tasks_of_mimecast(user)), list(queries.assigned_tasks(user))
    tasks = [task for task in (*unassigned, *assigned) if task.pk not in listed]
    quiet = list(queries.quiet_tenants(user, days=settings.DESK_QUIET_DAYS, now=now))
    calendars = calendars_of([*{task.plan.tenant for task in tasks}.union(quiet)])
    entries = [
        *_cutovers(risks, now=now),
        *(_vote(cutover, now=now) for cutover in votes),
        *map(_question, questions),
        *_proposals(open_proposals(domains, hosts)),
        *(_contradicted(task, checks) for task, checks in found.items()),
        *_lost(risks),
        *_drifted(drifts),
        *_tasks(tasks, quiet, calendars, now=now),
    ]
    sources = (
        *(risks, votes, questions, domains, hosts, contradicted, drifts),
        *(unassigned, assigned, quiet),
    )
    is_complete = all(len(rows) < queries.MOST_ROWS for rows in sources)
    return DeskNeeds(in_order(entries), is_complete)


# --- Cutovers


def _cutovers(risks: Iterable[PlanRisk], *, now: datetime) -> Iterator[DeskEntry]:
    """One entry for each window with a stored risk."""
    by_window: dict[str, list[PlanRisk]] = {}
    for risk in risks:
        if risk.cutover_at is not None:
            by_window.setdefault(risk.params["target"], []).append(risk)
    for of_window in by_window.values():
        yield _cutover(sorted(of_window, key=lambda risk: risk.position), now=now)


def _cutover(risks: Sequence[PlanRisk], *, now: datetime) -> DeskEntry:
    first = risks[0]
    at = first.cutover_at
    assert at is not None, "the caller chose risks of a window"
    tenant = first.plan.tenant
    subject = f"{str(first.params['direction']).capitalize()} cutover"
    sentences = [sentence_of(risk.code, risk.params) for risk in risks]
    parts = [_capitalized(each.removeprefix(f"{subject}: ")) for each in sentences]
    is_near = at - now <= ON_CALL_WITHIN or any(risk.code in _BLOCKING_CODES for risk in risks)
    return DeskEntry(
        Group.BLOCKS_CUTOVER if is_near else Group.NEXT,
        Kind.CUTOVER,
        TenantLabel.of(tenant),
        subject,
        " ".join(parts[1:] if is_near else parts),
        _ACTIONS[_Code(first.code)],
        url_of(first, tenant.public_id),
        since=min(risk.since for risk in risks),
        due_at=at,
        window_at=at,
        reason=parts[0] if is_near else "",
    )


def _vote(cutover: Cutover, *, now: datetime) -> DeskEntry:
    """A vote is due when the other side has voted, or shortly before the window."""
    has_other_vote = getattr(cutover, "has_other_vote", False)
    sentence = "The go / no-go decision needs your vote."
    if has_other_vote:
        sentence = f"{cutover.client_approver} has voted. {sentence}"
    tenant = cutover.plan.tenant
    is_due = has_other_vote or cutover.planned_at - now <= BLOCKED_WITHIN
    room = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])
    return DeskEntry(
        Group.DUE if is_due else Group.NEXT,
        Kind.VOTE,
        TenantLabel.of(tenant),
        str(cutover),
        sentence,
        "Vote",
        f"{room}#go-no-go-title",
        due_at=cutover.planned_at,
        window_at=cutover.planned_at,
    )


# --- Questions, confirmations, proofs and drift


def _question(question: Comment) -> DeskEntry:
    tenant, task = question.plan.tenant, question.task
    author = question.author.name if question.author is not None else "Former user"
    text = " ".join(question.body.split())
    if len(text) > _LONGEST_QUOTE:
        text = f"{text[:_LONGEST_QUOTE].rsplit(' ', 1)[0]} …"
    form = reverse("onboarding:comment-add", args=[tenant.public_id, task.public_id])
    return DeskEntry(
        Group.DUE,
        Kind.QUESTION,
        TenantLabel.of(tenant),
        f"Question on {task.title}",
        f"{author}: “{text}”",
        "Reply",
        f"{form}?reply_to={question.public_id}",
        since=question.written_at,
    )


def _proposals(proposals: Iterable[OpenProposal]) -> Iterator[DeskEntry]:
    """One entry for each tenant with values that wait for the consultant's decision."""
    by_tenant: dict[Tenant, list[OpenProposal]] = {}
    for proposal in proposals:
        by_tenant.setdefault(proposal.subject.tenant, []).append(proposal)
    for tenant, of_tenant in by_tenant.items():
        first = of_tenant[0]
        times = [each.proposal.at for each in of_tenant if each.proposal.at is not None]
        others = f" And {len(of_tenant) - 1} more." if len(of_tenant) > 1 else ""
        plan = reverse("onboarding:plan-show", args=[tenant.public_id])
        yield DeskEntry(
            Group.DUE,
            Kind.PROPOSAL,
            TenantLabel.of(tenant),
            "1 proposed value" if len(of_tenant) == 1 else f"{len(of_tenant)} proposed values",
            f"{first.proposal.by} proposed the {first.title} of {first.subject}.{others}"
            " It counts once you confirm it.",
            "Confirm or reject",
            f"{plan}#proposals",
            since=min(times, default=None),
        )


def _contradicting(tasks: Sequence[Task]) -> Iterator[tuple[Task, list[Check]]]:
    """The confirmed tasks of which a later run found that they are not done, with the checks."""
    tenants = {task.plan.tenant_id: task.plan.tenant for task in tasks}
    kinds = {kind for task in tasks for kind in task.check_kinds}
    contexts = PlanContext.of_many(list(tenants.values()), kinds=kinds)
    for task in tasks:
        checks = contradicting_checks(task, contexts[task.plan.tenant_id].evidence(task))
        if checks:
            yield task, checks


def _contradicted(task: Task, checks: Sequence[Check]) -> DeskEntry:
    people = (task.client_confirmed_by, task.mimecast_confirmed_by)
    names = [person.name for person in people if person is not None]
    by = f" by {join_names(names)}" if names else ""
    return DeskEntry(
        Group.DUE,
        Kind.CONTRADICTED,
        TenantLabel.of(task.plan.tenant),
        task.title,
        f"Marked as done{by}, but not verified. {newest_finding(checks[0])}.",
        "Open task",
        url_of_task(task),
        since=task.status_changed_at,
    )


def _lost(risks: Iterable[PlanRisk]) -> Iterator[DeskEntry]:
    """One entry for each open tenant with a regressed task, a failing check or a drift.

    One changed record is often all three.
    """
    by_tenant: dict[int, list[PlanRisk]] = {}
    for risk in risks:
        if risk.cutover_at is None:
            by_tenant.setdefault(risk.plan_id, []).append(risk)
    for of_tenant in by_tenant.values():
        rows = sorted(of_tenant, key=lambda risk: risk.position)
        first = rows[0]
        yield DeskEntry(
            Group.LOST,
            Kind.LOST,
            TenantLabel.of(first.plan.tenant),
            _Code(first.code).label,
            " ".join(sentence_of(risk.code, risk.params) for risk in rows),
            _ACTIONS[_Code(first.code)],
            url_of(first, first.plan.tenant.public_id),
            since=min(risk.since for risk in rows),
        )


def _drifted(drifts: Iterable[Drift]) -> Iterator[DeskEntry]:
    """One entry for each closed tenant with drift."""
    by_tenant: dict[int, list[Drift]] = {}
    for drift in drifts:
        by_tenant.setdefault(drift.tenant_id, []).append(drift)
    for of_tenant in by_tenant.values():
        first, tenant = of_tenant[0], of_tenant[0].tenant
        others = f", and {len(of_tenant) - 1} more" if len(of_tenant) > 1 else ""
        yield DeskEntry(
            Group.LOST,
            Kind.LOST,
            TenantLabel.of(tenant),
            _Code.DRIFT.label,
            f"{first}{others}.",
            _ACTIONS[_Code.DRIFT],
            reverse("onboarding:monitoring", args=[tenant.public_id]),
            since=min(drift.opened_at for drift in of_tenant),
        )


# --- Tasks of Mimecast's side, and implementations without movement


def _tasks(
    tasks: Sequence[Task],
    quiet: Iterable[Tenant],
    calendars: Mapping[int, Calendar],
    *,
    now: datetime,
) -> Iterator[DeskEntry]:
    """Each due task, and one entry for the other tasks of a tenant: they share no date."""
    others: dict[Tenant, list[Task]] = {}
    for task in tasks:
        calendar = calendars[task.plan.tenant_id]
        if task.due_on is not None and task.due_on <= calendar.day_of(now):
            yield _due(task, calendar, now=now)
        else:
            others.setdefault(task.plan.tenant, []).append(task)
    for tenant in quiet:
        days = _full_days(getattr(tenant, "moved_at", None), calendars[tenant.pk], now=now)
        if days >= settings.DESK_QUIET_DAYS:
            yield _quiet(tenant, _longest_first(others.pop(tenant, [])), days)
    for tenant, waiting in others.items():
        yield _waiting(tenant, _longest_first(waiting), calendars[tenant.pk], now=now)


def _due(task: Task, calendar: Calendar, *, now: datetime) -> DeskEntry:
    assert task.due_on is not None, "the caller chose tasks with a due date"
    late = days_late(task, calendar.day_of(now), calendar)
    day = f"{task.due_on:%a} {task.due_on.day} {task.due_on:%b}"
    due = f"Due {day}, {_working_days(late)} late." if late else "Due today."
    waiting = _full_days(task.waiting_since, calendar, now=now)
    wait = f" It waits on you for {_working_days(waiting)}." if waiting else ""
    return DeskEntry(
        Group.DUE,
        Kind.TASK,
        TenantLabel.of(task.plan.tenant),
        task.title,
        due + wait,
        "Open task",
        url_of_task(task),
        since=task.waiting_since,
        due_at=datetime.combine(task.due_on + timedelta(days=1), time(), calendar.zone),
    )


def _quiet(tenant: Tenant, waiting: Sequence[Task], days: int) -> DeskEntry:
    plan = tenant.plan
    done = f"{plan.tasks_complete} of {plan.tasks_total} tasks are done."
    sentences = [done]
    if waiting:
        sentences.insert(0, f"It waits on you: {waiting[0].title}.")
    elif getattr(tenant, "waits_on_client", False):
        sentences.insert(0, "It waits on the client.")
    return DeskEntry(
        Group.NEXT,
        Kind.QUIET,
        TenantLabel.of(tenant),
        f"No movement for {_working_days(days)}",
        " ".join(sentences),
        "Open task" if waiting else "See schedule",
        url_of_task(waiting[0])
        if waiting
        else reverse("onboarding:schedule", args=[tenant.public_id]),
        since=getattr(tenant, "moved_at", None),
    )


def _waiting(
    tenant: Tenant, waiting: Sequence[Task], calendar: Calendar, *, now: datetime
) -> DeskEntry:
    first = waiting[0]
    days = _full_days(first.waiting_since, calendar, now=now)
    wait = f" for {_working_days(days)}" if days else " for less than 1 working day"
    if len(waiting) == 1:
        subject, sentence = first.title, f"It waits on you{wait}."
    else:
        subject = f"{len(waiting)} tasks wait on you"
        sentence = f"The longest{wait}: {first.title}."
    return DeskEntry(
        Group.NEXT,
        Kind.TASK,
        TenantLabel.of(tenant),
        subject,
        sentence,
        "Open task",
        url_of_task(first),
        since=first.waiting_since,
    )


def _longest_first(tasks: list[Task]) -> list[Task]:
    return sorted(tasks, key=lambda task: (task.waiting_since is None, task.waiting_since))


def _full_days(since: datetime | None, calendar: Calendar, *, now: datetime) -> int:
    return int(calendar.days_between(since, now)) if since is not None else 0


def _working_days(days: int) -> str:
    return f"{days} working day{'' if days == 1 else 's'}"


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
