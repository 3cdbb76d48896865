"""A plan's tasks as a page shows them: shape, evidence, who it waits for, what may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from onboarding.models import Phase, Responsibility, Task, TaskState
from onboarding.plans.domain_parts import Parts
from onboarding.plans.judging import Ground
from onboarding.plans.moves import SET_DOWN, Move, Mover
from onboarding.plans.part_rows import PartRow, part_rows
from onboarding.plans.proof import Evidence, Subject
from onboarding.plans.safety import Safety
from onboarding.plans.task_acts import is_confirmed_by_sheet, moves_of
from onboarding.plans.turns import side_left
from onboarding.plans.undoing import can_undo
from tenants.models import User


class Shape(StrEnum):
    """The icon's shape; with a word beside it everywhere, colour is never the only signal."""

    PASS = "pass"
    CAUTION = "caution"
    FAIL = "fail"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    HALF = "half"
    TODO = "todo"
    LOCKED = "locked"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Reader:
    """Who looks at a plan, and what the page fetched for them. By default somebody outside it."""

    mover: Mover = field(default_factory=lambda: Mover("", may_steer=False))
    by: User | None = None
    # By kind of check.
    safety: Mapping[str, Safety] = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)


@dataclass(frozen=True)
class TaskRow:
    """One task on a page. `side` is whom the reader speaks for, empty for a viewer."""

    task: Task
    shape: Shape
    side: str
    evidence: Evidence
    supporting: Evidence
    waits_for: tuple[Task, ...] = ()
    depth: int = 0
    # From when the act that this task prepares is safe; only while the task is proven.
    safety: Safety | None = None
    # What the reader can say of it beside done or not; whether they can take back the last word.
    moves: tuple[Move, ...] = ()
    may_undo: bool = False
    # Domain by domain, where the task is done so and has several or an exempt one.
    parts: tuple[PartRow, ...] = ()

    @property
    def is_locked(self) -> bool:
        """Going ahead now would lose mail, so nobody can say that it is done."""
        return self.task.is_hard_gate and bool(self.waits_for)

    @property
    def is_mine(self) -> bool:
        return self.task.responsibility in (self.side, Responsibility.BOTH) and bool(self.side)

    @property
    def my_confirmation(self) -> object:
        return getattr(self.task, f"{self.side}_confirmed_at", None) if self.side else None

    @property
    def can_confirm(self) -> bool:
        task = self.task
        if not task.applies or task.is_group or not self.is_mine or task.proven_at is not None:
            return False
        if task.is_wait or self.is_by_sheet:
            return False
        if self.is_locked or task.mark in SET_DOWN:
            return False
        broken = task.broken_at is not None and task.state == TaskState.BROKEN
        return self.my_confirmation is None or broken

    @property
    def can_withdraw(self) -> bool:
        task = self.task
        return (
            task.applies
            and not task.is_group
            and self.is_mine
            and self.my_confirmation is not None
            and task.proven_at is None
            and not (self.is_by_sheet and self.has_signed)
        )

    @property
    def is_by_sheet(self) -> bool:
        """Signing its sheet off is what confirms it."""
        return is_confirmed_by_sheet(self.task)

    @property
    def has_signed(self) -> bool:
        """Whether the reader's side has signed its sheet off."""
        sheet = getattr(self.task, "sheet", None)
        return sheet is not None and self.side in sheet.signed_sides

    @property
    def can_be_proven(self) -> bool:
        return bool(self.task.check_kinds) and not self.task.is_by_word

    @property
    def needs_message(self) -> bool:
        """No look is of use before somebody has shown a message."""
        return Kind.MESSAGE in self.task.check_kinds

    @property
    def asked(self) -> tuple[Subject, ...]:
        return tuple(subject for subject in self.evidence.subjects if subject.check is not None)

    @property
    def proven_subjects(self) -> tuple[Subject, ...]:
        return tuple(
            s for s in self.evidence.subjects if s.settled is not None and s.settled.is_yes
        )

    @property
    def cautions(self) -> tuple[Subject, ...]:
        """Proven subjects whose yes came with something worth reading."""
        return tuple(s for s in self.proven_subjects if s.settled is Verdict.WARN)

    @property
    def doubts(self) -> tuple[Subject, ...]:
        """Proven subjects whose newest look did not say yes; the proof stands meanwhile."""
        seen = [(s, s.check.latest) for s in self.proven_subjects if s.check is not None]
        return tuple(
            s for s, latest in seen if latest is not None and not Verdict(latest.verdict).is_yes
        )

    @property
    def open_subjects(self) -> tuple[Subject, ...]:
        return tuple(s for s in self.evidence.subjects if s not in self.proven_subjects)

    @property
    def waits_on(self) -> str:
        """The side that the task waits for: mimecast, client, both, or empty when it is done or
        only time completes it."""
        is_open = self.task.counts_as_open and not self.task.is_wait
        return side_left(self.task) if is_open else ""

    @property
    def is_counting(self) -> bool:
        """Its time is running: nobody has to do anything meanwhile."""
        return self.task.is_wait and self.task.waits_until is not None


def rows_of(tasks: Sequence[Task], ground: Ground, reader: Reader) -> list[TaskRow]:
    """Every task of a plan as a row, in the plan's order, as this reader sees it."""
    by_key = {task.key: task for task in tasks}
    return [_row(task, by_key, ground, reader) for task in tasks]


def _row(task: Task, by_key: Mapping[str, Task], ground: Ground, reader: Reader) -> TaskRow:
    evidence = ground.evidence(task)
    waits_for = tuple(
        by_key[key] for key in task.depends_on if key in by_key and by_key[key].holds_up
    )
    return TaskRow(
        task=task,
        shape=shape_of(task, evidence, is_waiting=bool(waits_for)),
        side=reader.mover.side,
        evidence=evidence,
        supporting=ground.evidence(task, task.evidence_kinds),
        waits_for=waits_for,
        depth=1 if task.parent_id else 0,
        safety=_safety(task, reader.safety),
        moves=tuple(moves_of(task, reader.mover)),
        may_undo=reader.by is not None
        and can_undo(task, by=reader.by, may_steer=reader.mover.may_steer),
        parts=part_rows(task, ground, evidence, reader.parts.get(task.pk, {}), reader.mover),
    )


def _safety(task: Task, safety: Mapping[str, Safety]) -> Safety | None:
    if task.state != TaskState.PROVEN:
        return None
    return next((safety[kind] for kind in task.check_kinds if kind in safety), None)


_SHAPE_OF_STATE = {
    TaskState.PROVEN: Shape.PASS,
    TaskState.DONE: Shape.PASS,
    TaskState.BROKEN: Shape.FAIL,
    TaskState.NOT_APPLICABLE: Shape.NOT_APPLICABLE,
    TaskState.HALF: Shape.HALF,
    TaskState.ACCEPTED: Shape.CAUTION,
    TaskState.DECLINED: Shape.NOT_APPLICABLE,
    TaskState.WAITING: Shape.WAITING,
    TaskState.BLOCKED: Shape.FAIL,
    TaskState.IN_PROGRESS: Shape.HALF,
}


def shape_of(task: Task, evidence: Evidence, *, is_waiting: bool) -> Shape:
    """A task still to do is never red: what is not there yet is no failure."""
    shape = _SHAPE_OF_STATE.get(TaskState(task.state))
    if shape is not None:
        return shape
    if task.state == TaskState.CLAIMED:
        return Shape.UNKNOWN if _could_not_tell(evidence) else Shape.WAITING
    if task.is_wait and not is_waiting:
        return Shape.WAITING
    return Shape.LOCKED if is_waiting else Shape.TODO


def _could_not_tell(evidence: Evidence) -> bool:
    latest = [s.check.latest for s in evidence.subjects if s.check is not None]
    return any(seen is not None and seen.verdict == Verdict.UNKNOWN.value for seen in latest)


def shape_of_check(check: Check) -> Shape:
    """How one check's standing is drawn: settled answers first, then what the last look said."""
    if check.settled_verdict:
        settled = Verdict(check.settled_verdict)
        if settled.is_yes:
            return _shape_of_doubt(check)
        if settled is Verdict.FAIL:
            return Shape.FAIL if check.is_at_fault else Shape.TODO
        return Shape.NOT_APPLICABLE
    if check.latest is None:
        return Shape.TODO
    return Shape.UNKNOWN if check.latest.verdict == Verdict.UNKNOWN.value else Shape.WAITING


def _shape_of_doubt(check: Check) -> Shape:
    """The proof stands; a newest look that did not agree must not look like one that did."""
    if check.latest is None or Verdict(check.latest.verdict).is_yes:
        return Shape.CAUTION if check.settled_verdict == Verdict.WARN.value else Shape.PASS
    return Shape.WAITING if check.latest.verdict == Verdict.FAIL.value else Shape.UNKNOWN


@dataclass(frozen=True)
class PhaseRow:
    """A phase in the plan's index, with a segment for each task that counts."""

    phase: Phase
    rows: tuple[TaskRow, ...]

    @property
    def counted(self) -> tuple[TaskRow, ...]:
        return tuple(row for row in self.rows if row.task.counts)

    @property
    def shape(self) -> Shape:
        counted = self.counted
        if not counted:
            return (
                Shape.TODO if any(row.task.applies for row in self.rows) else (Shape.NOT_APPLICABLE)
            )
        if any(row.shape is Shape.FAIL for row in counted):
            return Shape.FAIL
        if all(row.task.is_complete for row in counted):
            return Shape.PASS
        if any(row.task.state != TaskState.TODO for row in counted):
            return Shape.HALF
        return Shape.LOCKED if all(row.shape is Shape.LOCKED for row in counted) else Shape.TODO


def phase_rows(phases: Sequence[Phase], rows: Sequence[TaskRow]) -> list[PhaseRow]:
    return [
        PhaseRow(phase, tuple(row for row in rows if row.task.phase_id == phase.pk))
        for phase in phases
    ]


# What a client meets first: what broke, then what only waits for them.
_URGENCY = {
    TaskState.BROKEN: 0,
    TaskState.WAITING: 1,
    TaskState.HALF: 2,
    TaskState.BLOCKED: 3,
    TaskState.IN_PROGRESS: 4,
    TaskState.TODO: 5,
}


def _pressing(row: TaskRow) -> tuple[int, bool, date]:
    """What is due first comes first, among steps that stand alike; then the plan's order."""
    task = row.task
    return _URGENCY[TaskState(task.state)], task.is_optional, task.due_on or date.max


@dataclass(frozen=True)
class ClientSteps:
    """The client's home: what needs them, what is being watched for them, what comes next."""

    now: tuple[TaskRow, ...]
    more: int
    watched: tuple[TaskRow, ...]
    coming: tuple[TaskRow, ...]


def client_steps(rows: Sequence[TaskRow], *, most: int = 3) -> ClientSteps:
    """Sort a plan's open tasks by what the client can do about them."""
    leaves = [row for row in rows if row.task.counts_as_open]
    on_client = [r for r in leaves if r.waits_on in (Responsibility.CLIENT, Responsibility.BOTH)]
    ready = [
        row
        for row in on_client
        if row.task.state in _URGENCY and (not row.waits_for or row.task.state == TaskState.BROKEN)
    ]
    ready.sort(key=_pressing)
    watched = [r for r in leaves if r.task.state == TaskState.CLAIMED or r.is_counting]
    coming = [row for row in on_client if row.waits_for and row not in ready]
    return ClientSteps(
        now=tuple(ready[:most]),
        more=max(0, len(ready) - most),
        watched=tuple(watched),
        coming=tuple(coming[:5]),
    )
