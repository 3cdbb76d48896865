"""Running a cutover's room against records that nobody has published yet.

Nobody is asked, and no check, task or vote is touched: the checks judge the proposal beside what
they last saw, copies of them carry the answers into the room, and only the rehearsal is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from checks.engine.outcomes import Outcome, Verdict
from checks.engine.preflight import InvalidZoneText, ProposedRecords, parse_proposed_records
from checks.models import Check, Observation
from checks.preflight import PreflightResult
from onboarding.cutovers.readiness import ReadinessRow
from onboarding.errors import ConflictingChange
from onboarding.models import Cutover, DryRun, Task
from onboarding.plans.evaluation import PlanContext
from onboarding.plans.rows import Shape
from tenants.activity_names import ActivityName
from tenants.models import Domain, User
from tenants.services import write_activity


def parse_records(text: str, domains: Iterable[Domain]) -> ProposedRecords | InvalidZoneText:
    """Pasted lines as record sets of these domains. A name without a final dot is read below each
    of them; a whole name that lies below none is a mistake, and said."""
    proposal = parse_proposed_records(text, "")
    if isinstance(proposal, InvalidZoneText):
        return proposal
    found: dict[tuple[str, str], Any] = {}
    unknown_owners = {owner for owner, _ in proposal}
    for domain in domains:
        own = parse_proposed_records(text, domain.name)
        if isinstance(own, InvalidZoneText):
            return own
        found |= own
        names = {owner for owner, _ in own}
        unknown_owners -= names | {name.removesuffix(f".{domain.name}") for name in names}
        if domain.name in names:
            # The sign for the domain itself stands for the root where all names are whole.
            unknown_owners.discard(".")
    if unknown_owners:
        return InvalidZoneText(f"{min(unknown_owners)} is not of this cutover")
    return found


def simulate_publication(
    plan_context: PlanContext, judged: Iterable[PreflightResult]
) -> PlanContext:
    """The plan_context as it would be once every server gives the proposal and the checks have settled.

    What could not be judged is unknown, whatever stands of it today.
    """
    answers = {each.check.pk: each.outcome for each in judged}
    checks = [
        _simulated_check(check, answers[check.pk]) if check.pk in answers else check
        for check in plan_context.checks
    ]
    return replace(plan_context, checks=checks)


def _simulated_check(check: Check, outcome: Outcome | None) -> Check:
    """A copy that is never saved. When it was looked at stays: the proposal is judged beside what
    was seen then, and what nobody has looked at lately is no better known in a rehearsal."""
    made = copy.copy(check)
    made._state = copy.copy(check._state)
    made._state.fields_cache = dict(check._state.fields_cache)
    made.settled_verdict = ""
    made.latest = Observation(check_asked=check, verdict=Verdict.UNKNOWN.value)
    if outcome is not None:
        is_settled = outcome.unanimous and outcome.verdict is not Verdict.UNKNOWN
        made.settled_verdict = outcome.verdict.value if is_settled else ""
        made.latest = Observation(
            check_asked=check,
            verdict=outcome.verdict.value,
            unanimous=outcome.unanimous,
            findings=[{"code": f.code, "params": dict(f.params)} for f in outcome.findings],
            evidence=dict(outcome.evidence),
        )
    return made


@dataclass(frozen=True)
class DryRunTask:
    """One step of the run sheet as it would be. Without checks of its own it stays people's word,
    and `detail` tell how it stands today."""

    task: Task
    shape: Shape
    detail: str


def evaluate_tasks(tasks: Iterable[Task], plan_context: PlanContext) -> list[DryRunTask]:
    return [_evaluate_task(task, plan_context) for task in tasks]


def _evaluate_task(task: Task, plan_context: PlanContext) -> DryRunTask:
    evidence = plan_context.evidence(task)
    if not evidence.subjects or evidence.is_unverifiable:
        shape = Shape.PASS if task.is_complete else Shape.TODO
        return DryRunTask(
            task, shape, f"By people’s word; today: {task.get_status_display().lower()}."
        )
    if evidence.failing:
        names = ", ".join(subject.name for subject in evidence.failing)
        return DryRunTask(task, Shape.FAIL, f"These records would not prove it for {names}.")
    if evidence.is_verified:
        return DryRunTask(task, Shape.PASS, "These records would prove it.")
    names = ", ".join(subject.name for subject in evidence.subjects if not subject.is_verified)
    return DryRunTask(task, Shape.UNKNOWN, f"It could not be told for {names}.")


@dataclass(frozen=True)
class DryRunResult:
    """A rehearsal as it came out."""

    records: str
    rows: Sequence[ReadinessRow]
    tasks: Sequence[DryRunTask]
    judged: Sequence[PreflightResult]

    @property
    def content(self) -> dict[str, Any]:
        return {
            "domains": list(dict.fromkeys(each.check.subject for each in self.judged)),
            "rows": [
                {"title": row.title, "verdict": row.verdict.value, "detail": row.detail}
                for row in self.rows
            ],
            "tasks": [
                {"title": task.task.title, "shape": task.shape.value, "detail": task.detail}
                for task in self.tasks
            ],
            "findings": [_finding(each) for each in self.judged],
        }


def _finding(judged: PreflightResult) -> dict[str, Any]:
    outcome = judged.outcome
    found = outcome.findings if outcome is not None else ()
    return {
        "kind": judged.check.kind,
        "subject": judged.check.subject,
        "verdict": outcome.verdict.value if outcome is not None else Verdict.UNKNOWN.value,
        "findings": [{"code": f.code, "params": dict(f.params)} for f in found],
    }


def save_dry_run(
    cutover: Cutover,
    run: DryRunResult,
    *,
    started_at: datetime,
    now: datetime,
    comment: str,
    by: User,
) -> DryRun:
    """The record of a rehearsal, and its line in the activity: all that is ever stored of one."""
    with transaction.atomic():
        if not Cutover.objects.select_for_update().filter(pk=cutover.pk).exists():
            raise ConflictingChange("Somebody dropped the cutover meanwhile. Nothing was kept.")
        made = DryRun.objects.create(
            cutover=cutover,
            window_start=cutover.planned_at,
            round=cutover.round,
            by=by,
            started_at=min(started_at, now),
            saved_at=now,
            records=run.records,
            comment=comment,
            content=run.content,
        )
        write_activity(
            cutover.plan.tenant,
            ActivityName.DRY_RUN_RECORDED,
            by=by,
            direction=cutover.direction,
            domains=cutover.domain_summary,
            cutover_id=cutover.public_id,
            blockers=made.blocking_count,
            conditions=len(run.rows),
            minutes=made.duration_minutes,
        )
        cutover.plan.touch()
    return made
