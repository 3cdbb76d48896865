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
from checks.engine.proposing import Proposal, Unreadable, read_proposal
from checks.models import Check, Observation
from checks.preflight import Judged
from onboarding.cutovers.room_facts import Row
from onboarding.errors import MovedMeanwhile
from onboarding.models import Cutover, Rehearsal, Task
from onboarding.plans.judging import Ground
from tenants.models import Domain, User
from tenants.services import write_activity


def read_records(text: str, domains: Iterable[Domain]) -> Proposal | Unreadable:
    """Pasted lines as record sets of these domains. A name without a final dot is read below each
    of them; a whole name that lies below none is a mistake, and said."""
    everything = read_proposal(text, "")
    if isinstance(everything, Unreadable):
        return everything
    found: dict[tuple[str, str], Any] = {}
    strangers = {owner for owner, _ in everything}
    for domain in domains:
        own = read_proposal(text, domain.name)
        if isinstance(own, Unreadable):
            return own
        found |= own
        names = {owner for owner, _ in own}
        strangers -= names | {name.removesuffix(f".{domain.name}") for name in names}
        if domain.name in names:
            # The sign for the domain itself stands for the root where all names are whole.
            strangers.discard(".")
    if strangers:
        return Unreadable(f"{min(strangers)} is not of this cutover")
    return found


def as_if_published(ground: Ground, judged: Iterable[Judged]) -> Ground:
    """The ground as it would be once every server gives the proposal and the checks have settled.

    What could not be judged is unknown, whatever stands of it today.
    """
    answers = {each.check.pk: each.outcome for each in judged}
    checks = [
        _copied(check, answers[check.pk]) if check.pk in answers else check
        for check in ground.checks
    ]
    return replace(ground, checks=checks)


def _copied(check: Check, outcome: Outcome | None) -> Check:
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
class Step:
    """One step of the run sheet as it would be. Without checks of its own it stays people's word,
    and `words` tell how it stands today."""

    task: Task
    shape: str
    words: str


def steps(tasks: Iterable[Task], ground: Ground) -> list[Step]:
    return [_step(task, ground) for task in tasks]


def _step(task: Task, ground: Ground) -> Step:
    evidence = ground.evidence(task)
    if not evidence.subjects or evidence.is_beyond_us:
        shape = "pass" if task.is_complete else "todo"
        return Step(task, shape, f"By people’s word; today: {task.get_state_display().lower()}.")
    if evidence.failing:
        names = ", ".join(subject.name for subject in evidence.failing)
        return Step(task, "fail", f"These records would not prove it for {names}.")
    if evidence.proves:
        return Step(task, "pass", "These records would prove it.")
    names = ", ".join(subject.name for subject in evidence.subjects if not subject.is_proven)
    return Step(task, "unknown", f"It could not be told for {names}.")


@dataclass(frozen=True)
class Run:
    """A rehearsal as it came out."""

    records: str
    rows: Sequence[Row]
    steps: Sequence[Step]
    judged: Sequence[Judged]

    @property
    def content(self) -> dict[str, Any]:
        return {
            "domains": list(dict.fromkeys(each.check.subject for each in self.judged)),
            "rows": [
                {"title": row.title, "verdict": row.verdict.value, "words": row.words}
                for row in self.rows
            ],
            "steps": [
                {"title": step.task.title, "shape": step.shape, "words": step.words}
                for step in self.steps
            ],
            "findings": [_finding(each) for each in self.judged],
        }


def _finding(judged: Judged) -> dict[str, Any]:
    outcome = judged.outcome
    found = outcome.findings if outcome is not None else ()
    return {
        "kind": judged.check.kind,
        "subject": judged.check.subject,
        "verdict": outcome.verdict.value if outcome is not None else Verdict.UNKNOWN.value,
        "findings": [{"code": f.code, "params": dict(f.params)} for f in found],
    }


def keep_rehearsal(
    cutover: Cutover, run: Run, *, began_at: datetime, now: datetime, words: str, by: User
) -> Rehearsal:
    """The record of a rehearsal, and its line in the activity: all that is ever stored of one."""
    with transaction.atomic():
        if not Cutover.objects.select_for_update().filter(pk=cutover.pk).exists():
            raise MovedMeanwhile("Somebody dropped the cutover meanwhile. Nothing was kept.")
        made = Rehearsal.objects.create(
            cutover=cutover,
            window_start=cutover.planned_at,
            round=cutover.round,
            by=by,
            began_at=min(began_at, now),
            kept_at=now,
            records=run.records,
            words=words,
            content=run.content,
        )
        write_activity(
            cutover.plan.tenant,
            "rehearsed",
            by=by,
            direction=cutover.direction,
            of=cutover.covers,
            cutover_id=cutover.public_id,
            held_back=made.held_back,
            conditions=len(run.rows),
            minutes=made.took_minutes,
        )
        cutover.plan.touch()
    return made
