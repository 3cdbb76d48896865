"""The tasks, domains and phases of a plan as the pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.models import Phase, Responsibility, Task, TaskRole, TaskStatus
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.closing_obligations import ResidualRisk
from onboarding.plans.confirmations import is_confirmed_by_sign_off, signed_sides
from onboarding.plans.current_state import CurrentState, SubjectStatus
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.domain_progress import ProgressByTask, TaskProgress
from onboarding.plans.domain_rows import DomainRow, domain_rows
from onboarding.plans.next_action import (
    ActionKind,
    NextAction,
    RequiredAction,
    contradicting_messages,
    next_action,
    required_actions,
)
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.planned_cutovers import unplanned_for
from onboarding.plans.proof import ProofSubject, TaskEvidence, label_of_source
from onboarding.plans.queries import has_file
from onboarding.plans.safe_times import (
    PlanSafeTime,
    gate_times,
    safe_time_for,
    shown_safe_time,
)
from onboarding.plans.task_fields import FieldRow, FieldType, cautions, rows_for, today_for
from onboarding.plans.transitions import (
    ASSIGN,
    CONFIRM,
    GATE_WARNING,
    SET_DUE_DATE,
    SET_FIELDS,
    SET_RESPONSIBILITY,
    UNDO,
    WITHDRAW_CONFIRMATION,
    Actor,
    Transition,
    TransitionContext,
    available_status_changes,
    is_in_place,
    is_offered,
    why_not,
)
from onboarding.plans.waiting_on import remaining_side
from tenants.models import Domain


class Shape(StrEnum):
    """The shape of an icon. Every icon has a label, so that colour is never the only signal."""

    PASS = "pass"
    CAUTION = "caution"
    FAIL = "fail"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    PARTIAL = "partial"
    # A submitted text shows it, and nothing verifies the text.
    SUPPORTED = "supported"
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
    """The reader of a plan, with the rows that the page loaded. By default without a role."""

    actor: Actor = field(default_factory=lambda: Actor("", may_manage_plan=False))
    # By kind of check.
    safety: Mapping[str, PlanSafeTime] = field(default_factory=dict)
    progress: ProgressByTask = field(default_factory=dict)
    planned_directions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TaskRow:
    """One task on a page, with the buttons that the reader may use."""

    task: Task
    shape: Shape
    actor: Actor
    evidence: TaskEvidence
    supporting: TaskEvidence
    context: TransitionContext = field(default_factory=TransitionContext)
    depth: int = 0
    # The earliest time of the switch that this task prepares; only while the task is verified.
    safety: PlanSafeTime | None = None
    # The domains of the tenant, of which `domain_rows` shows those of a per-domain task.
    domains: Sequence[Domain] = ()
    # Whether the tenant was closed without a decision on the task.
    was_left_open: bool = False

    @cached_property
    def domain_rows(self) -> tuple[DomainRow, ...]:
        """Its domains; empty for a task that is done once for all domains."""
        return domain_rows(self.task, self.domains, self.actor, self.context, self.evidence)

    @property
    def side(self) -> str:
        """The reader's side; empty for a viewer."""
        return self.actor.side

    @property
    def open_dependencies(self) -> Sequence[Task]:
        return self.context.open_dependencies

    @property
    def waits_for(self) -> Sequence[Task]:
        """The open dependencies of an open task or group; a complete one waits for none."""
        is_open = not self.task.is_complete and self.task.status != TaskStatus.NOT_APPLICABLE
        return self.open_dependencies if is_open else ()

    @property
    def progress(self) -> TaskProgress:
        return self.context.progress

    @property
    def is_closure(self) -> bool:
        """Whether it is the closing task, which both sides sign off on a page of its own."""
        return self.task.role == TaskRole.CLOSURE

    @property
    def has_open_risks(self) -> bool:
        """Whether only residual risks delay the sign-off: a consultant or time ends them."""
        risks = self.context.residual_risks
        return not self.open_dependencies and any(not risk.is_accepted for risk in risks)

    @property
    def gate_warning(self) -> str:
        """Why the task must wait for its dependencies; empty where nothing can be lost."""
        is_closed = self.task.is_hard_gate and bool(self.open_dependencies)
        return GATE_WARNING if is_closed else ""

    @property
    def is_mine(self) -> bool:
        return self.task.responsibility in (self.side, Responsibility.BOTH) and bool(self.side)

    def offers(self, transition: Transition) -> bool:
        return is_offered(self.task, transition, self.actor, self.context)

    def why_not(self, transition: Transition) -> str:
        """Why the reader may not make the transition now; empty where they may."""
        return why_not(self.task, transition, self.actor, self.context)

    @property
    def can_confirm(self) -> bool:
        return self.offers(CONFIRM)

    @property
    def confirm_refusal(self) -> str:
        """Why the reader may not confirm the task now; empty where they may."""
        return self.why_not(CONFIRM)

    @property
    def can_withdraw(self) -> bool:
        return self.offers(WITHDRAW_CONFIRMATION)

    @property
    def can_set_responsibility(self) -> bool:
        return self.offers(SET_RESPONSIBILITY)

    @property
    def can_undo(self) -> bool:
        return self.offers(UNDO)

    @property
    def can_set_fields(self) -> bool:
        return bool(self.context.field_rows) and self.offers(SET_FIELDS)

    @property
    def asks_for_file(self) -> bool:
        return any(row.definition.type is FieldType.FILE for row in self.context.field_rows)

    @property
    def can_confirm_with_fields(self) -> bool:
        """Whether only values that the form can save are missing before a confirmation."""
        missing = self.context.missing_fields
        if not missing or any(row.definition.is_read_only for row in missing):
            return False
        return is_offered(self.task, CONFIRM, self.actor, replace(self.context, field_rows=()))

    @property
    def field_rows(self) -> Sequence[FieldRow]:
        return self.context.field_rows

    @property
    def field_cautions(self) -> list[str]:
        return list(cautions(self.context.field_rows))

    @property
    def why_not_confirm(self) -> str:
        """Why the reader's own side cannot confirm the open task yet; empty if it can or has."""
        is_open = self.is_mine and self.task.is_open_leaf
        if not is_open or is_in_place(self.task, CONFIRM, self.actor, self.context):
            return ""
        return why_not(self.task, CONFIRM, self.actor, self.context)

    @property
    def can_assign(self) -> bool:
        return self.offers(ASSIGN)

    @property
    def can_set_due_date(self) -> bool:
        return self.offers(SET_DUE_DATE)

    @property
    def status_changes(self) -> list[Transition]:
        """The manual statuses that the reader may set or clear."""
        return available_status_changes(self.task, self.actor)

    @property
    def is_confirmed_by_sign_off(self) -> bool:
        """Whether the sign-off of its requirements sheet confirms the task."""
        return self.context.is_confirmed_by_sign_off

    @property
    def has_signed(self) -> bool:
        """Whether the reader's side has signed off the task's requirements sheet."""
        return self.side in self.context.signed_sides

    @property
    def can_be_verified(self) -> bool:
        is_checked = bool(self.task.check_kinds or self.evidence.alternatives)
        return is_checked and not self.task.confirmation_suffices

    @property
    def needs_message(self) -> bool:
        """Whether the check needs a submitted message before it can run."""
        return CheckKind.MESSAGE in self.task.check_kinds

    @property
    def checked_subjects(self) -> tuple[ProofSubject, ...]:
        return tuple(subject for subject in self.evidence.subjects if subject.check is not None)

    @property
    def icon_label(self) -> str:
        """The status, where several statuses share the icon; empty for the icon's own label."""
        if self.shape is Shape.LOCKED and self.context.must_wait_for_time:
            return "Safe time unknown" if self.is_on_person else "Waiting for its safe time"
        status = TaskStatus(self.task.status)
        is_named = status in _NAMED_ON_ICON and self.shape is _SHAPE_OF_STATUS[status]
        return status.label if is_named and not self.was_left_open else ""

    @property
    def can_check_now(self) -> bool:
        """Whether the reader can run a check of the task, also one that only supports it."""
        subjects = (*self.evidence.subjects, *self.supporting.subjects)
        runs = any(s.check is not None and not s.check.needs_message for s in subjects)
        is_verified_here = bool(self.supporting.subjects) or self.can_be_verified
        return bool(self.side) and self.task.applies and is_verified_here and runs

    @cached_property
    def verified_subjects(self) -> tuple[ProofSubject, ...]:
        return self.evidence.verified_subjects

    @property
    def current_subjects(self) -> tuple[ProofSubject, ...]:
        """The verified subjects with whose settled verdict a recent newest run agrees."""
        return tuple(s for s in self.verified_subjects if s.state.is_verified)

    @property
    def cautions(self) -> tuple[ProofSubject, ...]:
        """Verified subjects with a warning."""
        return tuple(s for s in self.verified_subjects if s.settled is Verdict.WARN)

    @property
    def contradicted_subjects(self) -> tuple[ProofSubject, ...]:
        """Verified subjects whose newest run did not pass; they stay verified until it settles."""
        return tuple(s for s in self.verified_subjects if s.state.is_contradicted)

    @property
    def unconfirmed_subjects(self) -> tuple[ProofSubject, ...]:
        """Verified subjects whose newest run agrees and is too old to count."""
        return tuple(s for s in self.verified_subjects if s.state.is_stale)

    @property
    def lost_subjects(self) -> tuple[ProofSubject, ...]:
        """The subjects of a complete task that are drifted or settled on FAIL now.

        A closed plan does not reopen a task, and an open drift may outlast its check's FAIL.
        """
        if self.task.status not in (TaskStatus.VERIFIED, TaskStatus.DONE):
            return ()
        subjects = (*self.evidence.subjects, *self.evidence.alternatives)
        return tuple(s for s in subjects if s.state.is_fault)

    @property
    def message_subjects(self) -> tuple[ProofSubject, ...]:
        """The subjects for which a person submits a message, also those that only support it."""
        subjects = (*self.evidence.subjects, *self.supporting.subjects)
        return tuple(subject for subject in subjects if subject.needs_message)

    @property
    def contradicting_messages(self) -> tuple[ProofSubject, ...]:
        """The subjects for which a message shows that a confirmed or verified task is not done."""
        return contradicting_messages(self.task, self.evidence, self.supporting)

    @property
    def proposed_subjects(self) -> tuple[ProofSubject, ...]:
        """Subjects whose value no consultant has confirmed: their verdict completes no task."""
        return tuple(subject for subject in self.evidence.subjects if subject.is_proposed)

    @property
    def source_subjects(self) -> tuple[ProofSubject, ...]:
        """The subjects that an export of the mail platform proves or supports."""
        supporting = (s for s in self.supporting.subjects if s.is_of_source)
        return (*self.evidence.alternatives, *supporting)

    @property
    def related_subjects(self) -> tuple[ProofSubject, ...]:
        """The other subjects that support the task."""
        return tuple(s for s in self.supporting.subjects if not s.is_of_source)

    @property
    def proving_sources(self) -> tuple[ProofSubject, ...]:
        """The exports on which the status of a verified task rests."""
        return tuple(s for s in self.evidence.alternatives if s.is_verified)

    @property
    def proof_label(self) -> str:
        """The sources of the checks that verify the task, such as “DNS”; empty without one."""
        labels = {label_of_source(s.kind) for s in self.evidence.subjects if s.is_verified}
        return " and ".join(sorted(labels))

    @cached_property
    def open_subjects(self) -> tuple[ProofSubject, ...]:
        """The subjects that are not verified, those with a fault first.

        A subject to which the task does not apply is open only if it applies to none.
        """
        found = [s for s in self.evidence.subjects if s not in self.verified_subjects]
        concerned = [s for s in found if s.settled is not Verdict.NOT_APPLICABLE]
        return tuple(sorted(concerned or found, key=lambda s: s.settled is not Verdict.FAIL))

    @property
    def remaining_side(self) -> str:
        """The side that still has to act: mimecast, client or both.

        Empty for a complete task that no message contradicts, and one that completes on its date.
        """
        if self.is_on_person and self.next_action is not None:
            return self.next_action.side
        is_open = self.task.is_open_leaf and not self.task.is_timed
        return remaining_side(self.task) if is_open else ""

    @cached_property
    def next_action(self) -> NextAction | None:
        """The next event on the task; None where the ordinary work on it is next."""
        context = self.context
        is_free = not context.open_dependencies and not self.was_left_open
        return next_action(
            self.task,
            self.evidence,
            self.supporting,
            unsafe_until=context.unsafe_until if is_free else None,
            unknown_safe_time=context.unknown_safe_time if is_free else None,
            open_risks=[risk for risk in context.residual_risks if not risk.is_accepted]
            if is_free
            else (),
        )

    @property
    def is_on_person(self) -> bool:
        """Whether the task waits for an action that no check and no time replaces."""
        return self.next_action is not None and self.next_action.is_on_person

    @cached_property
    def required_actions(self) -> Sequence[RequiredAction]:
        """The actions before a check can verify the open task, the most urgent first."""
        if self.next_action is not None and self.next_action.actions:
            return self.next_action.actions
        return required_actions(self.task, self.evidence) if self.task.is_open_leaf else ()

    @property
    def is_contradicted(self) -> bool:
        """Whether a run after the confirmation found that the task is not done."""
        return self.is_on_person and any(
            action.kind is ActionKind.CORRECT for action in self.required_actions
        )

    @property
    def needs_time(self) -> bool:
        """Whether neither side acts next: a check, a period, a safe time or a risk decides."""
        return self.next_action is not None and not self.next_action.is_on_person

    @property
    def needs_action(self) -> bool:
        """Whether a person can work on the task now.

        A request to the other side is an action, also before the dependencies are done.
        """
        if self.task.status == TaskStatus.REGRESSED or self.is_on_person:
            return True
        if self.task.status == TaskStatus.WAITING and not self.needs_time:
            return True
        return not self.open_dependencies and not self.needs_time

    @property
    def is_wait_running(self) -> bool:
        """Whether the period of a timed task has started."""
        return self.task.is_timed and self.task.wait_ends_at is not None


def rows_of(tasks: Sequence[Task], plan_context: PlanContext, viewer: Viewer) -> list[TaskRow]:
    """Every task of a plan as a row, in the plan's order, for this reader."""
    by_key = {task.key: task for task in tasks}
    return [_row(task, by_key, plan_context, viewer) for task in tasks]


def _row(
    task: Task, by_key: Mapping[str, Task], plan_context: PlanContext, viewer: Viewer
) -> TaskRow:
    evidence = plan_context.evidence(task)
    safety = {} if plan_context.tenant.is_closed else viewer.safety
    safe_time = safe_time_for(task, safety, by_key.values())
    is_closed = plan_context.tenant.is_closed
    # In a closed tenant no task waits any more.
    waiting_for = [] if is_closed else open_dependencies_of(task, by_key)
    supporting = plan_context.supporting_evidence(task)
    context = TransitionContext(
        open_dependencies=waiting_for,
        residual_risks=_residual_risks(task, by_key, plan_context, viewer)
        if not waiting_for
        else (),
        progress=TaskProgress.of(task, plan_context.domains, viewer.progress.get(task.pk, {})),
        verified_domain_ids=evidence.verified_domain_ids,
        **gate_times(safe_time, plan_context.tenant),
        field_rows=_field_rows(task, plan_context),
        unplanned_cutovers=unplanned_for(task, by_key.values(), viewer.planned_directions),
        is_confirmed_by_sign_off=is_confirmed_by_sign_off(task),
        signed_sides=signed_sides(task),
    )
    return TaskRow(
        task=task,
        shape=shape_of(task, evidence, supporting, is_waiting=context.must_wait),
        actor=viewer.actor,
        evidence=evidence,
        supporting=supporting,
        context=context,
        depth=1 if task.parent_id else 0,
        safety=shown_safe_time(task, safety, safe_time if context.must_wait_for_time else None),
        domains=plan_context.domains,
        was_left_open=is_closed and task.is_open_leaf,
    )


def _field_rows(task: Task, plan_context: PlanContext) -> tuple[FieldRow, ...]:
    if not task.fields:
        return ()
    domains = plan_context.domains_of(task)
    tenant = plan_context.tenant
    return rows_for(task, tenant, domains, has_file=has_file(task), today=today_for(tenant))


def _residual_risks(
    task: Task, by_key: Mapping[str, Task], plan_context: PlanContext, viewer: Viewer
) -> Sequence[ResidualRisk]:
    """The residual risks for a reader who can sign off; not read before the last decision."""
    if task.role != TaskRole.CLOSURE or not viewer.actor.side:
        return ()
    return obligations_of(list(by_key.values()), plan_context).risks


_SHAPE_OF_STATUS = {
    TaskStatus.VERIFIED: Shape.PASS,
    TaskStatus.DONE: Shape.PASS,
    TaskStatus.REGRESSED: Shape.FAIL,
    TaskStatus.NOT_APPLICABLE: Shape.NOT_APPLICABLE,
    TaskStatus.PARTLY_CONFIRMED: Shape.PARTIAL,
    TaskStatus.ACCEPTED_RISK: Shape.CAUTION,
    TaskStatus.DECLINED: Shape.NOT_APPLICABLE,
    TaskStatus.WAITING: Shape.WAITING,
    TaskStatus.BLOCKED: Shape.FAIL,
    TaskStatus.IN_PROGRESS: Shape.PARTIAL,
}

# Their icons are also those of other statuses, whose label would be wrong.
_NAMED_ON_ICON = {
    TaskStatus.DONE,
    TaskStatus.REGRESSED,
    TaskStatus.ACCEPTED_RISK,
    TaskStatus.DECLINED,
    TaskStatus.BLOCKED,
    TaskStatus.IN_PROGRESS,
}


def shape_of(
    task: Task, evidence: TaskEvidence, supporting: TaskEvidence, *, is_waiting: bool
) -> Shape:
    """The icon of a task. A task that is still to do is never red: it has not failed."""
    shape = _SHAPE_OF_STATUS.get(TaskStatus(task.status))
    subjects = (*evidence.subjects, *evidence.alternatives)
    if shape is Shape.PASS and (
        any(subject.state.is_fault for subject in subjects)
        or contradicting_messages(task, evidence, supporting)
    ):
        return Shape.FAIL
    if shape is not None:
        return shape
    if task.status == TaskStatus.AWAITING_VERIFICATION:
        return Shape.UNKNOWN if _is_unknown(evidence) else Shape.WAITING
    if task.is_timed and not is_waiting:
        return Shape.WAITING
    return Shape.LOCKED if is_waiting else Shape.TODO


def _is_unknown(evidence: TaskEvidence) -> bool:
    return any(subject.state.status is SubjectStatus.UNKNOWN for subject in evidence.subjects)


def without_proof(shape: Shape) -> Shape:
    """The icon of a pass that rests on unverified text."""
    return Shape.SUPPORTED if shape in (Shape.PASS, Shape.CAUTION) else shape


_SHAPE_OF_SUBJECT = {
    SubjectStatus.DRIFTED: Shape.FAIL,
    SubjectStatus.REGRESSED: Shape.FAIL,
    SubjectStatus.INCORRECT: Shape.FAIL,
    SubjectStatus.NOT_DONE: Shape.TODO,
    SubjectStatus.NOT_CHECKED: Shape.TODO,
    SubjectStatus.NOT_SHOWN: Shape.FAIL,
    SubjectStatus.SHOWN: Shape.SUPPORTED,
    SubjectStatus.PROPOSED: Shape.WAITING,
    SubjectStatus.UNKNOWN: Shape.UNKNOWN,
    SubjectStatus.UNSETTLED: Shape.WAITING,
    SubjectStatus.CONTRADICTED: Shape.WAITING,
    SubjectStatus.CAUTION: Shape.CAUTION,
    SubjectStatus.VERIFIED: Shape.PASS,
    SubjectStatus.NOT_APPLICABLE: Shape.NOT_APPLICABLE,
}


def shape_of_state(state: CurrentState) -> Shape:
    """The icon of a subject, on every page."""
    return _SHAPE_OF_SUBJECT[state.status]


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
                Shape.TODO
                if any(row.task.is_open_leaf for row in self.rows)
                else Shape.NOT_APPLICABLE
            )
        if any(row.shape is Shape.FAIL for row in counted):
            return Shape.FAIL
        if all(row.task.is_complete for row in counted):
            return Shape.PASS
        if any(row.task.status != TaskStatus.TODO for row in counted):
            return Shape.PARTIAL
        return Shape.LOCKED if all(row.shape is Shape.LOCKED for row in counted) else Shape.TODO


def phase_rows(phases: Sequence[Phase], rows: Sequence[TaskRow]) -> list[PhaseRow]:
    return [
        PhaseRow(phase, tuple(row for row in rows if row.task.phase_id == phase.pk))
        for phase in phases
    ]
