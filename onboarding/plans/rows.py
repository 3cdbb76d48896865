"""A per-domain task's domains as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.models import DomainProgress, Phase, Responsibility, Task, TaskStatus
from onboarding.plans.domain_progress import ProgressByTask
from onboarding.plans.evaluation import PlanContext
from onboarding.plans.proof import ProofSubject, TaskEvidence
from onboarding.plans.safe_times import PlanSafeTime
from onboarding.plans.services import is_confirmed_by_sign_off, transitions_for
from onboarding.plans.transitions import NOT_CONFIRMABLE, Actor, Transition
from onboarding.plans.undo import can_undo
from onboarding.plans.waiting_on import remaining_side
from tenants.models import Domain, User


@dataclass(frozen=True)
class DomainRow:
    """One domain of the task. `side` is whom the reader speaks for, empty for a viewer."""

    domain: Domain
    part: DomainProgress | None
    is_verified: bool
    side: str
    responsibility: str
    # A word from before the fault is none any more.
    regressed_at: datetime | None = None

    @property
    def is_exempt(self) -> bool:
        return self.part is not None and self.part.is_exempt

    @property
    def words(self) -> list[tuple[str, object, object]]:
        """Who confirmed it for which side, and when."""
        if self.part is None:
            return []
        said = [
            ("Mimecast", self.part.mimecast_confirmed_by, self.part.mimecast_confirmed_at),
            ("the client", self.part.client_confirmed_by, self.part.client_confirmed_at),
        ]
        return [(side, by, at) for side, by, at in said if at is not None]

    @property
    def is_mine(self) -> bool:
        return bool(self.side) and self.responsibility in (self.side, Responsibility.BOTH)

    @property
    def can_confirm(self) -> bool:
        return (
            self.is_mine
            and not self.is_exempt
            and not self.is_verified
            and not self._my_confirmation
        )

    @property
    def can_withdraw(self) -> bool:
        return (
            self.is_mine and not self.is_exempt and not self.is_verified and self._my_confirmation
        )

    @property
    def _my_confirmation(self) -> bool:
        said = getattr(self.part, f"{self.side}_confirmed_at", None)
        return said is not None and (self.regressed_at is None or said > self.regressed_at)


def domain_rows(
    task: Task,
    plan_context: PlanContext,
    evidence: TaskEvidence,
    parts: Mapping[int, DomainProgress],
    actor: Actor,
) -> tuple[DomainRow, ...]:
    """Every domain of the task's roles, exempt ones too, in the order of the tenant's domains."""
    if not task.is_per_domain or not task.applies:
        return ()
    proven = {s.check.domain_id for s in evidence.subjects if s.check is not None and s.is_verified}
    return tuple(
        DomainRow(
            domain=domain,
            part=parts.get(domain.pk),
            is_verified=bool(task.check_kinds) and domain.pk in proven,
            side=actor.side,
            responsibility=task.responsibility,
            regressed_at=task.regressed_at,
        )
        for domain in plan_context.domains
        if domain.role in task.domain_roles
    )


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


SHAPE_OF_VERDICT = {
    Verdict.PASS: Shape.PASS,
    Verdict.WARN: Shape.CAUTION,
    Verdict.FAIL: Shape.FAIL,
    Verdict.UNKNOWN: Shape.UNKNOWN,
    Verdict.NOT_APPLICABLE: Shape.NOT_APPLICABLE,
}


@dataclass(frozen=True)
class Viewer:
    """Who looks at a plan, and what the page fetched for them. By default somebody outside it."""

    actor: Actor = field(default_factory=lambda: Actor("", may_manage_plan=False))
    by: User | None = None
    # By kind of check.
    safety: Mapping[str, PlanSafeTime] = field(default_factory=dict)
    parts: ProgressByTask = field(default_factory=dict)


@dataclass(frozen=True)
class TaskRow:
    """One task on a page. `side` is whom the viewer speaks for, empty for a viewer."""

    task: Task
    shape: Shape
    side: str
    evidence: TaskEvidence
    supporting: TaskEvidence
    open_dependencies: tuple[Task, ...] = ()
    depth: int = 0
    # From when the act that this task prepares is safe; only while the task is proven.
    safety: PlanSafeTime | None = None
    # What the viewer can say of it beside done or not; whether they can take back the last word.
    transitions: tuple[Transition, ...] = ()
    may_undo: bool = False
    # Domain by domain, where the task is done so and has several or an exempt one.
    domain_rows: tuple[DomainRow, ...] = ()

    @property
    def is_gate_closed(self) -> bool:
        """Going ahead now would lose mail, so nobody can say that it is done."""
        return self.task.is_hard_gate and bool(self.open_dependencies)

    @property
    def is_mine(self) -> bool:
        return self.task.responsibility in (self.side, Responsibility.BOTH) and bool(self.side)

    @property
    def my_confirmation(self) -> object:
        return getattr(self.task, f"{self.side}_confirmed_at", None) if self.side else None

    @property
    def can_confirm(self) -> bool:
        task = self.task
        if not task.applies or task.is_group or not self.is_mine or task.verified_at is not None:
            return False
        if task.is_wait or self.is_confirmed_by_sign_off:
            return False
        if self.is_gate_closed or task.manual_status in NOT_CONFIRMABLE:
            return False
        broken = task.regressed_at is not None and task.status == TaskStatus.REGRESSED
        return self.my_confirmation is None or broken

    @property
    def can_withdraw(self) -> bool:
        task = self.task
        return (
            task.applies
            and not task.is_group
            and self.is_mine
            and self.my_confirmation is not None
            and task.verified_at is None
            and not (self.is_confirmed_by_sign_off and self.has_signed)
        )

    @property
    def is_confirmed_by_sign_off(self) -> bool:
        """Signing its sheet off is what confirms it."""
        return is_confirmed_by_sign_off(self.task)

    @property
    def has_signed(self) -> bool:
        """Whether the viewer's side has signed its sheet off."""
        sheet = getattr(self.task, "sheet", None)
        return sheet is not None and self.side in sheet.signed_sides

    @property
    def can_be_verified(self) -> bool:
        return bool(self.task.check_kinds) and not self.task.confirmation_suffices

    @property
    def needs_message(self) -> bool:
        """No look is of use before somebody has shown a message."""
        return CheckKind.MESSAGE in self.task.check_kinds

    @property
    def checked_subjects(self) -> tuple[ProofSubject, ...]:
        return tuple(subject for subject in self.evidence.subjects if subject.check is not None)

    @property
    def verified_subjects(self) -> tuple[ProofSubject, ...]:
        return tuple(
            s for s in self.evidence.subjects if s.settled is not None and s.settled.is_passing
        )

    @property
    def cautions(self) -> tuple[ProofSubject, ...]:
        """Proven subjects whose yes came with something worth reading."""
        return tuple(s for s in self.verified_subjects if s.settled is Verdict.WARN)

    @property
    def contradicted_subjects(self) -> tuple[ProofSubject, ...]:
        """Proven subjects whose newest look did not say yes; the proof stands meanwhile."""
        seen = [(s, s.check.latest) for s in self.verified_subjects if s.check is not None]
        return tuple(
            s for s, latest in seen if latest is not None and not Verdict(latest.verdict).is_passing
        )

    @property
    def open_subjects(self) -> tuple[ProofSubject, ...]:
        return tuple(s for s in self.evidence.subjects if s not in self.verified_subjects)

    @property
    def remaining_side(self) -> str:
        """The side that the task waits for: mimecast, client, both, or empty when it is done or
        only time completes it."""
        is_open = self.task.is_open_leaf and not self.task.is_wait
        return remaining_side(self.task) if is_open else ""

    @property
    def is_wait_running(self) -> bool:
        """Its time is running: nobody has to do anything meanwhile."""
        return self.task.is_wait and self.task.wait_ends_at is not None


def rows_of(tasks: Sequence[Task], plan_context: PlanContext, viewer: Viewer) -> list[TaskRow]:
    """Every task of a plan as a row, in the plan's order, as this viewer sees it."""
    by_key = {task.key: task for task in tasks}
    return [_row(task, by_key, plan_context, viewer) for task in tasks]


def _row(
    task: Task, by_key: Mapping[str, Task], plan_context: PlanContext, viewer: Viewer
) -> TaskRow:
    evidence = plan_context.evidence(task)
    open_dependencies = tuple(
        by_key[key] for key in task.depends_on if key in by_key and by_key[key].blocks_dependents
    )
    return TaskRow(
        task=task,
        shape=shape_of(task, evidence, is_waiting=bool(open_dependencies)),
        side=viewer.actor.side,
        evidence=evidence,
        supporting=plan_context.evidence(task, task.evidence_kinds),
        open_dependencies=open_dependencies,
        depth=1 if task.parent_id else 0,
        safety=_safety(task, viewer.safety),
        transitions=tuple(transitions_for(task, viewer.actor)),
        may_undo=viewer.by is not None
        and can_undo(task, by=viewer.by, may_manage_plan=viewer.actor.may_manage_plan),
        domain_rows=domain_rows(
            task, plan_context, evidence, viewer.parts.get(task.pk, {}), viewer.actor
        ),
    )


def _safety(task: Task, safety: Mapping[str, PlanSafeTime]) -> PlanSafeTime | None:
    if task.status != TaskStatus.VERIFIED:
        return None
    return next((safety[kind] for kind in task.check_kinds if kind in safety), None)


_SHAPE_OF_STATUS = {
    TaskStatus.VERIFIED: Shape.PASS,
    TaskStatus.DONE: Shape.PASS,
    TaskStatus.REGRESSED: Shape.FAIL,
    TaskStatus.NOT_APPLICABLE: Shape.NOT_APPLICABLE,
    TaskStatus.PARTLY_CONFIRMED: Shape.HALF,
    TaskStatus.ACCEPTED_RISK: Shape.CAUTION,
    TaskStatus.DECLINED: Shape.NOT_APPLICABLE,
    TaskStatus.WAITING: Shape.WAITING,
    TaskStatus.BLOCKED: Shape.FAIL,
    TaskStatus.IN_PROGRESS: Shape.HALF,
}


def shape_of(task: Task, evidence: TaskEvidence, *, is_waiting: bool) -> Shape:
    """A task still to do is never red: what is not there yet is no failure."""
    shape = _SHAPE_OF_STATUS.get(TaskStatus(task.status))
    if shape is not None:
        return shape
    if task.status == TaskStatus.AWAITING_VERIFICATION:
        return Shape.UNKNOWN if _is_unknown(evidence) else Shape.WAITING
    if task.is_wait and not is_waiting:
        return Shape.WAITING
    return Shape.LOCKED if is_waiting else Shape.TODO


def _is_unknown(evidence: TaskEvidence) -> bool:
    latest = [s.check.latest for s in evidence.subjects if s.check is not None]
    return any(seen is not None and seen.verdict == Verdict.UNKNOWN.value for seen in latest)


def shape_of_check(check: Check) -> Shape:
    """How one check's standing is drawn: settled answers first, then what the last look said."""
    if check.settled_verdict:
        settled = Verdict(check.settled_verdict)
        if settled.is_passing:
            return _shape_of_verified(check)
        if settled is Verdict.FAIL:
            return Shape.FAIL if check.is_misconfigured else Shape.TODO
        return Shape.NOT_APPLICABLE
    if check.latest is None:
        return Shape.TODO
    return Shape.UNKNOWN if check.latest.verdict == Verdict.UNKNOWN.value else Shape.WAITING


def _shape_of_verified(check: Check) -> Shape:
    """The proof stands; a newest look that did not agree must not look like one that did."""
    if check.latest is None or Verdict(check.latest.verdict).is_passing:
        return Shape.CAUTION if check.settled_verdict == Verdict.WARN.value else Shape.PASS
    return Shape.WAITING if check.latest.verdict == Verdict.FAIL.value else Shape.UNKNOWN


@dataclass(frozen=True)
class PhaseRow:
    """A phase in the plan's index, with a segment for each task that counts."""

    phase: Phase
    rows: tuple[TaskRow, ...]

    @property
    def counted(self) -> tuple[TaskRow, ...]:
        return tuple(row for row in self.rows if row.task.is_counted)

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
        if any(row.task.status != TaskStatus.TODO for row in counted):
            return Shape.HALF
        return Shape.LOCKED if all(row.shape is Shape.LOCKED for row in counted) else Shape.TODO


def phase_rows(phases: Sequence[Phase], rows: Sequence[TaskRow]) -> list[PhaseRow]:
    return [
        PhaseRow(phase, tuple(row for row in rows if row.task.phase_id == phase.pk))
        for phase in phases
    ]


# What a client meets first: what broke, then what only waits for them.
_URGENCY = {
    TaskStatus.REGRESSED: 0,
    TaskStatus.WAITING: 1,
    TaskStatus.PARTLY_CONFIRMED: 2,
    TaskStatus.BLOCKED: 3,
    TaskStatus.IN_PROGRESS: 4,
    TaskStatus.TODO: 5,
}


def _pressing(row: TaskRow) -> tuple[int, bool, date]:
    """What is due first comes first, among steps that stand alike; then the plan's order."""
    task = row.task
    return _URGENCY[TaskStatus(task.status)], task.is_optional, task.due_on or date.max


@dataclass(frozen=True)
class ClientTasks:
    """The client's home: what needs them, what is being watched for them, what comes next."""

    now: tuple[TaskRow, ...]
    more: int
    verifying: tuple[TaskRow, ...]
    upcoming: tuple[TaskRow, ...]


def client_tasks(rows: Sequence[TaskRow], *, most: int = 3) -> ClientTasks:
    """Sort a plan's open tasks by what the client can do about them."""
    leaves = [row for row in rows if row.task.is_open_leaf]
    on_client = [
        r for r in leaves if r.remaining_side in (Responsibility.CLIENT, Responsibility.BOTH)
    ]
    ready = [
        row
        for row in on_client
        if row.task.status in _URGENCY
        and (not row.open_dependencies or row.task.status == TaskStatus.REGRESSED)
    ]
    ready.sort(key=_pressing)
    verifying = [
        r for r in leaves if r.task.status == TaskStatus.AWAITING_VERIFICATION or r.is_wait_running
    ]
    upcoming = [row for row in on_client if row.open_dependencies and row not in ready]
    return ClientTasks(
        now=tuple(ready[:most]),
        more=max(0, len(ready) - most),
        verifying=tuple(verifying),
        upcoming=tuple(upcoming[:5]),
    )
