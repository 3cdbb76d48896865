"""The dry run of a cutover: its room, evaluated against records that are not published yet.

A dry run uses no network and changes no check, task or vote. The checks judge the proposed records
together with their last observations, and unsaved copies of them feed the room.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from checks.engine.outcomes import Outcome, Verdict
from checks.engine.preflight import InvalidZoneText, parse_zone_text
from checks.engine.zone_text import ZoneNote, ZoneText, is_doubled, is_outside
from checks.models import Check, Observation
from checks.preflight import PreflightResult
from onboarding.cutovers.readiness import ReadinessRow
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, DryRun, Task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.rows import Shape
from tenants.activity_names import ActivityName
from tenants.models import Domain, User
from tenants.services import write_activity

DRY_RUN_LIMIT = ("dry-run", "30/m")


class UnusableRecords(OnboardingError):
    """The pasted lines cannot be evaluated. `notes` are the notes about them."""

    field = "records"

    def __init__(self, problem: str, notes: Sequence[ZoneNote] = ()) -> None:
        super().__init__(f"No dry run is possible: {problem}.")
        self.notes = list(notes)


def parse_records(text: str, domains: Iterable[Domain]) -> ZoneText | InvalidZoneText:
    """The pasted lines as record sets of these domains, with the notes, prominent ones first.

    A name without a final dot is relative to each of the domains. An absolute name below none of
    them makes the text invalid.
    """
    proposal = parse_zone_text(text, "")
    if isinstance(proposal, InvalidZoneText):
        return proposal
    found: dict[tuple[str, str], Any] = {}
    notes: list[ZoneNote] = []
    unknown_owners = {owner for owner, _ in proposal.records}
    for domain in domains:
        read = parse_zone_text(text, domain.name)
        if isinstance(read, InvalidZoneText):
            return read
        own = read.records
        notes += read.notes
        doubled = [owner for owner, _ in own if is_doubled(owner, domain.name)]
        if doubled:
            return InvalidZoneText(f"{doubled[0]} repeats the domain, so a final dot is missing")
        own = {key: own[key] for key in own if not is_outside(key[0], domain.name)}
        found |= own
        names = {owner for owner, _ in own}
        unknown_owners -= names | {name.removesuffix(f".{domain.name}") for name in names}
        if domain.name in names:
            # `@` means the domain itself; without an origin the parser reads it as the root.
            unknown_owners.discard(".")
    if unknown_owners:
        return InvalidZoneText(f"{min(unknown_owners)} is not in this cutover")
    return ZoneText(found, tuple(_joined(notes)))


def _joined(notes: Iterable[ZoneNote]) -> list[ZoneNote]:
    """One note for each code, prominent ones first. Names of other domains are not outside."""
    joined: dict[str, ZoneNote] = {}
    for note in notes:
        known = joined.get(note.code, ZoneNote(note.code, ()))
        lines = sorted({*known.lines, *note.lines})
        names = dict.fromkeys((*known.names, *note.names))
        joined[note.code] = ZoneNote(note.code, tuple(lines), tuple(names))
    joined.pop("outside", None)
    return sorted(joined.values(), key=lambda note: (not note.is_prominent, note.lines))


def simulate_publication(
    plan_context: PlanContext, results: Iterable[PreflightResult]
) -> PlanContext:
    """The plan context after every server publishes the proposal and the checks have settled.

    A check without a result is UNKNOWN, regardless of its verdict today.
    """
    answers = {each.check.pk: each.outcome for each in results}
    checks = [
        _simulated_check(check, answers[check.pk]) if check.pk in answers else check
        for check in plan_context.checks
    ]
    # The publication would also close the drifts of these checks.
    drifted = {pk: at for pk, at in plan_context.drifted_since.items() if pk not in answers}
    return replace(plan_context, checks=checks, drifted_since=drifted)


def _simulated_check(check: Check, outcome: Outcome | None) -> Check:
    """A copy that is never saved. It keeps `checked_at`: the dry run uses the last observations, so
    a stale check stays stale."""
    made = copy.copy(check)
    # Without its own state and cache the copy would change the relations of the original.
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
    """One task of the run sheet after the publication.

    A task without checks depends on its confirmation, and `detail` has its status today.
    """

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
            task, shape, f"No check verifies it. Today: {task.get_status_display().lower()}."
        )
    if evidence.failing:
        names = ", ".join(subject.name for subject in evidence.failing)
        return DryRunTask(task, Shape.FAIL, f"These records would not verify it for {names}.")
    if evidence.is_verified:
        return DryRunTask(task, Shape.PASS, "These records would verify it.")
    names = ", ".join(subject.name for subject in evidence.subjects if not subject.is_verified)
    return DryRunTask(task, Shape.UNKNOWN, f"Not known for {names}.")


@dataclass(frozen=True)
class DryRunResult:
    """The result of a dry run. `notes` are about the pasted lines."""

    records: str
    rows: Sequence[ReadinessRow]
    tasks: Sequence[DryRunTask]
    results: Sequence[PreflightResult]
    notes: Sequence[ZoneNote] = ()

    @property
    def content(self) -> dict[str, Any]:
        return {
            "domains": list(dict.fromkeys(each.check.subject for each in self.results)),
            "rows": [
                {"title": row.title, "verdict": row.verdict.value, "detail": row.detail}
                for row in self.rows
            ],
            "tasks": [
                {"title": task.task.title, "shape": task.shape.value, "detail": task.detail}
                for task in self.tasks
            ],
            "findings": [_finding(each) for each in self.results],
            "notes": [
                {
                    "code": note.code,
                    "lines": list(note.lines),
                    "names": list(note.names),
                    "is_prominent": note.is_prominent,
                }
                for note in self.notes
            ],
        }


def _finding(result: PreflightResult) -> dict[str, Any]:
    outcome = result.outcome
    found = outcome.findings if outcome is not None else ()
    return {
        "kind": result.check.kind,
        "subject": result.check.subject,
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
    """Store a dry run and its activity line. Raises ConflictingChange for a cancelled cutover."""
    with transaction.atomic():
        if not Cutover.objects.select_for_update(no_key=True).filter(pk=cutover.pk).exists():
            raise ConflictingChange("The cutover has been cancelled. The dry run was not saved.")
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
