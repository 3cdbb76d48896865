"""The state machine of a task: every transition, the permitted roles and the requirements. Pure.

`why_not` returns the reason for a refusal. Pages, the API, services, bulk actions and
the sign-off of a requirements sheet all call it. Checks change tasks without it (see
`onboarding.progress`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from onboarding.models import ManualStatus, Responsibility, Task, TaskRole, TaskStatus
from onboarding.plans.closing_obligations import ClosingObligations, ResidualRisk
from onboarding.plans.domain_progress import TaskProgress
from onboarding.plans.planned_cutovers import unplanned_refusal
from onboarding.plans.safe_times import PlanSafeTime, not_safe_yet
from onboarding.plans.task_fields import FieldRow, date_refusal, missing_refusal
from onboarding.plans.undo import can_undo, restores_confirmations
from tenants.models import Domain

MAX_ACCEPTED_RISK = timedelta(days=365)
LONGEST_REASON = 500
GATE_WARNING = "Going ahead before that can lose mail."

_OPEN = frozenset(
    {
        TaskStatus.TODO,
        TaskStatus.IN_PROGRESS,
        TaskStatus.WAITING,
        TaskStatus.BLOCKED,
        TaskStatus.PARTLY_CONFIRMED,
        TaskStatus.AWAITING_VERIFICATION,
        TaskStatus.REGRESSED,
    }
)
_ANY = frozenset(TaskStatus)
_APPLICABLE = _ANY - {TaskStatus.NOT_APPLICABLE}
_RESUMABLE = frozenset({TaskStatus.IN_PROGRESS, TaskStatus.WAITING, TaskStatus.BLOCKED})


class RequiredRole(StrEnum):
    """Who may make a transition. All of them need at least the permission to confirm tasks."""

    EITHER_SIDE = "either side"
    RESPONSIBLE_SIDE = "the responsible side"
    RESPONSIBLE_SIDE_OR_CONSULTANT = "the responsible side or a consultant"
    CONSULTANT = "a consultant"


@dataclass(frozen=True)
class Actor:
    """The user who makes a transition.

    `side` is mimecast or client, and empty for a user who may only read.
    """

    side: str
    may_manage_plan: bool
    user_id: int | None = None


@dataclass(frozen=True)
class TransitionContext:
    """The facts outside the task's row that decide about its transitions."""

    open_dependencies: Sequence[Task] = ()
    progress: TaskProgress = field(default_factory=TaskProgress)
    # The domain that the transition concerns; None for the whole task.
    domain: Domain | None = None
    # The ids of the domains that a check has verified for this task.
    verified_domain_ids: frozenset[int] = frozenset()
    # The time, in the tenant's zone, before which the switch of the task is unsafe; None if it is
    # over or unknown.
    unsafe_until: datetime | None = None
    # The day of the known safe time, ahead or over, in the tenant's zone.
    safe_on: date | None = None
    # The safe time of the switch while the answers of a name server leave it unknown.
    unknown_safe_time: PlanSafeTime | None = None
    # The typed fields of the task with their values.
    field_rows: Sequence[FieldRow] = ()
    # The directions whose cutover must be planned first.
    unplanned_cutovers: Sequence[str] = ()
    # Whether signing the task's requirements sheet confirms the task, and who has signed.
    is_confirmed_by_sign_off: bool = False
    signed_sides: Sequence[str] = ()
    # The residual risks of the plan; only for the closing task.
    residual_risks: Sequence[ResidualRisk] = ()
    # Whether the sign-off of the sheet makes the transition.
    is_sign_off: bool = False

    @property
    def concerned_fields(self) -> tuple[FieldRow, ...]:
        """The fields of the transition's domain and of the task; of every domain without one."""
        return tuple(
            row
            for row in self.field_rows
            if self.domain is None or row.domain in (None, self.domain)
        )

    @property
    def missing_fields(self) -> tuple[FieldRow, ...]:
        """The required fields without a value."""
        return tuple(row for row in self.concerned_fields if row.is_missing)

    @property
    def obligations(self) -> ClosingObligations:
        """The obligations of the closing task, which waits for every task without a decision."""
        return ClosingObligations(self.open_dependencies, self.residual_risks)

    @property
    def must_wait(self) -> bool:
        """Whether the task has to wait, for other tasks or for its safe time."""
        return bool(self.open_dependencies) or self.must_wait_for_time

    @property
    def must_wait_for_time(self) -> bool:
        """Whether only the safe time of the task is missing: it is ahead or unknown."""
        is_missing = self.unsafe_until is not None or self.unknown_safe_time is not None
        return is_missing and not self.open_dependencies


Requirement = Callable[[Task, Actor, TransitionContext], str]


@dataclass(frozen=True)
class Transition:
    """One row of the table. `label` is the text of the button.

    `manual_status` is the status that the transition sets; None for a transition that sets none.
    """

    key: str
    label: str
    required_role: RequiredRole
    from_statuses: frozenset[TaskStatus]
    requirements: tuple[Requirement, ...] = ()
    manual_status: ManualStatus | None = None
    reason_prompt: str = ""
    requires_end_date: bool = False

    @property
    def requires_reason(self) -> bool:
        return bool(self.reason_prompt)


# --- Requirements: each returns the sentence of the refusal, or an empty string.


def _not_a_group(task: Task, actor: Actor, context: TransitionContext) -> str:
    return "This is a group. Its status follows its sub-tasks." if task.is_group else ""


def _not_timed(task: Task, actor: Actor, context: TransitionContext) -> str:
    if not task.is_timed:
        return ""
    return (
        "This task completes automatically on its date."
        " A consultant can accept its risk or mark it as not applicable."
    )


def _optional(task: Task, actor: Actor, context: TransitionContext) -> str:
    return "" if task.is_optional else "Only an optional task can be declined."


def _set_by_a_person(task: Task, actor: Actor, context: TransitionContext) -> str:
    if task.applies:
        return ""
    return "The tenant’s profile excludes this task. Change the profile to include it."


def _confirmed_on_the_task(task: Task, actor: Actor, context: TransitionContext) -> str:
    if context.is_confirmed_by_sign_off and not context.is_sign_off:
        return "Sign off its requirements sheet: the sign-off confirms this task."
    return ""


def _not_signed_off(task: Task, actor: Actor, context: TransitionContext) -> str:
    is_signed = context.is_confirmed_by_sign_off and actor.side in context.signed_sides
    if is_signed and not context.is_sign_off:
        return "Your side signed off its requirements sheet. Withdraw the sign-off on the sheet."
    return ""


def _gate_open(task: Task, actor: Actor, context: TransitionContext) -> str:
    if task.role == TaskRole.CLOSURE:
        return context.obligations.refusal
    waiting = context.open_dependencies if task.is_hard_gate else ()
    if not waiting:
        return _safe_by_now(task.role, context)
    titles = " and ".join(f"“{dependency.title}”" for dependency in waiting[:2])
    more = f" and {len(waiting) - 2} more" if len(waiting) > 2 else ""
    return f"This task waits for {titles}{more}. {GATE_WARNING}"


def _safe_by_now(role: str, context: TransitionContext) -> str:
    unknown = context.unknown_safe_time
    if unknown is not None:
        return f"{unknown.cause} {GATE_WARNING} {unknown.remedy}"
    if context.unsafe_until is None:
        return ""
    old = "cached MX records or MTA-STS policies" if _switches(role) else "the old route"
    return (
        f"{not_safe_yet(role, context.unsafe_until)} Before that time, senders may still use {old}."
        f" {GATE_WARNING}"
    )


def _switches(role: str) -> bool:
    return role == TaskRole.SWITCHES_INBOUND


def _cutovers_planned(task: Task, actor: Actor, context: TransitionContext) -> str:
    return unplanned_refusal(context.unplanned_cutovers) if task.status in _OPEN else ""


def _fields_complete(task: Task, actor: Actor, context: TransitionContext) -> str:
    return missing_refusal(context.missing_fields) if task.status in _OPEN else ""


def _dates_are_over(task: Task, actor: Actor, context: TransitionContext) -> str:
    return date_refusal(context.concerned_fields, context.safe_on) if task.status in _OPEN else ""


def _not_the_closure(task: Task, actor: Actor, context: TransitionContext) -> str:
    if task.role != TaskRole.CLOSURE:
        return ""
    return "Both sides sign off the implementation. Nothing replaces their sign-off."


def _domain_in_scope(task: Task, actor: Actor, context: TransitionContext) -> str:
    domain = context.domain
    if domain is None:
        return ""
    if domain not in context.progress.scope:
        return f"{domain} is not in the scope of this task."
    if domain.pk in context.verified_domain_ids:
        return f"A check has verified {domain}. No confirmation is needed."
    return ""


def _side_not_stated(task: Task, actor: Actor, context: TransitionContext) -> str:
    if task.responsibility_stated:
        return "The article states who is responsible for this task."
    return "Both sides sign off the implementation." if task.role == TaskRole.CLOSURE else ""


def _domain_exemptible(task: Task, actor: Actor, context: TransitionContext) -> str:
    domain, scope = context.domain, context.progress.scope
    if domain is None or not task.is_per_domain or domain.role not in task.domain_roles:
        return f"This task is not done for {domain}. There is nothing to exempt."
    current = context.progress.of_domain(domain)
    if current is not None and current.is_exempt:
        return (
            f"{current.exempted_by or 'Another user'} has already exempted {domain}:"
            f" “{current.exempt_reason}”. Nothing was changed."
        )
    if list(scope) == [domain]:
        return f"{domain} is the last domain in scope. Mark the task as not applicable instead."
    return ""


def _undo_available(task: Task, actor: Actor, context: TransitionContext) -> str:
    if can_undo(task, user_id=actor.user_id, may_manage_plan=actor.may_manage_plan):
        return ""
    return "There is nothing of yours to undo here."


def _undo_keeps_gate(task: Task, actor: Actor, context: TransitionContext) -> str:
    """Withdrawing a confirmation and undoing the withdrawal must not bypass a closed gate."""
    if restores_confirmations(task, context.progress.by_domain):
        return _gate_open(task, actor, context)
    return ""


# --- The table

CONFIRM = Transition(
    "confirm",
    "Confirm",
    RequiredRole.RESPONSIBLE_SIDE,
    # A side confirms once. Another confirmation of a task that is done changes nothing.
    _OPEN | {TaskStatus.DONE},
    (
        _not_a_group,
        _not_timed,
        _confirmed_on_the_task,
        _domain_in_scope,
        _gate_open,
        _cutovers_planned,
        _fields_complete,
        _dates_are_over,
    ),
)
WITHDRAW_CONFIRMATION = Transition(
    "withdraw-confirmation",
    "Withdraw confirmation",
    RequiredRole.RESPONSIBLE_SIDE,
    _OPEN | {TaskStatus.DONE, TaskStatus.ACCEPTED_RISK, TaskStatus.DECLINED},
    (_not_a_group, _not_timed, _not_signed_off, _domain_in_scope),
)
SET_RESPONSIBILITY = Transition(
    "set-responsibility",
    "Set responsibility",
    RequiredRole.CONSULTANT,
    _ANY,
    (_not_a_group, _not_timed, _side_not_stated),
)
EXEMPT_DOMAIN = Transition(
    "exempt-domain",
    "Exempt domain",
    RequiredRole.CONSULTANT,
    _APPLICABLE,
    (_not_a_group, _domain_exemptible),
    reason_prompt="Why is this domain exempt from the task?",
)
INCLUDE_DOMAIN = Transition(
    "include-domain", "Include domain", RequiredRole.CONSULTANT, _APPLICABLE, (_not_a_group,)
)
UNDO = Transition(
    "undo",
    "Undo last action",
    RequiredRole.EITHER_SIDE,
    _ANY,
    (_undo_available, _undo_keeps_gate),
)
SET_FIELDS = Transition(
    "set-fields",
    "Save",
    RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT,
    _APPLICABLE,
    (_not_a_group,),
)
ASSIGN = Transition("assign", "Assign", RequiredRole.EITHER_SIDE, _ANY, (_not_a_group,))
SET_DUE_DATE = Transition(
    "set-due-date", "Set due date", RequiredRole.CONSULTANT, _ANY, (_not_a_group,)
)

_STATUS_CHANGES = (
    Transition(
        "start",
        "Start",
        RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT,
        _OPEN - {TaskStatus.IN_PROGRESS},
        (_not_a_group, _not_timed),
        ManualStatus.IN_PROGRESS,
    ),
    Transition(
        "wait",
        "Wait for the other side",
        RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT,
        _OPEN - {TaskStatus.WAITING},
        (_not_a_group, _not_timed),
        ManualStatus.WAITING,
        reason_prompt="What does the other side have to do or answer?",
    ),
    Transition(
        "block",
        "Mark as blocked",
        RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT,
        _OPEN - {TaskStatus.BLOCKED},
        (_not_a_group, _not_timed),
        ManualStatus.BLOCKED,
        reason_prompt="What blocks this task?",
    ),
    Transition(
        "resume",
        "Resume",
        RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT,
        _RESUMABLE,
        (_not_a_group, _not_timed),
        ManualStatus.NONE,
    ),
    Transition(
        "decline",
        "Decline",
        RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT,
        _OPEN,
        (_not_a_group, _not_timed, _optional),
        ManualStatus.DECLINED,
        reason_prompt="Why is this task declined?",
    ),
    Transition(
        "accept-risk",
        "Accept risk",
        RequiredRole.CONSULTANT,
        _OPEN,
        (_not_a_group, _not_the_closure),
        ManualStatus.ACCEPTED_RISK,
        reason_prompt="Which risk do you accept, and why?",
        requires_end_date=True,
    ),
    Transition(
        "mark-not-needed",
        "Mark as not applicable",
        RequiredRole.CONSULTANT,
        _OPEN,
        (_not_a_group, _not_the_closure),
        ManualStatus.NOT_NEEDED,
        reason_prompt="Why does this task not apply?",
    ),
    Transition(
        "reconsider",
        "Reconsider",
        RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT,
        frozenset({TaskStatus.DECLINED}),
        (_not_a_group, _not_timed),
        ManualStatus.NONE,
    ),
    Transition(
        "restore",
        "Restore",
        RequiredRole.CONSULTANT,
        frozenset({TaskStatus.ACCEPTED_RISK, TaskStatus.NOT_APPLICABLE}),
        (_not_a_group, _set_by_a_person),
        ManualStatus.NONE,
    ),
)

TRANSITIONS: Mapping[str, Transition] = MappingProxyType(
    {
        transition.key: transition
        for transition in (
            CONFIRM,
            WITHDRAW_CONFIRMATION,
            *_STATUS_CHANGES,
            SET_RESPONSIBILITY,
            SET_FIELDS,
            EXEMPT_DOMAIN,
            INCLUDE_DOMAIN,
            ASSIGN,
            SET_DUE_DATE,
            UNDO,
        )
    }
)
# The transitions that set or clear a manual status.
STATUS_CHANGES: Mapping[str, Transition] = MappingProxyType(
    {transition.key: transition for transition in _STATUS_CHANGES}
)


# --- The rules


def why_not(
    task: Task,
    transition: Transition,
    actor: Actor,
    context: TransitionContext | None = None,
) -> str:
    """The reason why the actor may not make the transition now; empty when they may.

    The reason, the end date and the other typed values are checked by `input_error`.
    """
    facts = context or TransitionContext()
    refused = _why_not_by_role(task, transition, actor)
    if refused:
        return refused
    for requirement in transition.requirements:
        refused = requirement(task, actor, facts)
        if refused:
            return refused
    if task.status in transition.from_statuses:
        return ""
    # The confirmation follows the sign-off of the sheet, independent of the present status.
    is_withdrawal = transition is WITHDRAW_CONFIRMATION
    if facts.is_sign_off and (is_withdrawal or task.status == TaskStatus.VERIFIED):
        return ""
    return _wrong_status(task)


def is_permitted(task: Task, transition: Transition, actor: Actor) -> bool:
    """Whether the actor's role and side permit the transition, independent of the task's status."""
    return not _why_not_by_role(task, transition, actor)


def is_in_place(
    task: Task, transition: Transition, actor: Actor, context: TransitionContext
) -> bool:
    """Whether the transition would change nothing: a second click has no effect."""
    progress, domain = context.progress, context.domain
    if transition is CONFIRM:
        # A confirmation also clears a manual status.
        return not task.manual_status and not progress.lacks(task, actor.side, domain)
    if transition is WITHDRAW_CONFIRMATION:
        return not progress.has_any(task, actor.side, domain)
    if transition is INCLUDE_DOMAIN:
        current = progress.of_domain(domain) if domain is not None else None
        return current is None or not current.is_exempt
    return False


def is_offered(
    task: Task, transition: Transition, actor: Actor, context: TransitionContext
) -> bool:
    """Whether a page shows the button: the service accepts the transition and it has an effect."""
    return not why_not(task, transition, actor, context) and not is_in_place(
        task, transition, actor, context
    )


def available_status_changes(task: Task, actor: Actor) -> list[Transition]:
    """The manual statuses that the actor may set or clear now, in the table's order.

    No requirement of these transitions reads the context.
    """
    return [each for each in STATUS_CHANGES.values() if not why_not(task, each, actor)]


def _why_not_by_role(task: Task, transition: Transition, actor: Actor) -> str:
    if not actor.side:
        return "Your role allows you to read this plan, not to change its tasks."
    role = transition.required_role
    if role is RequiredRole.CONSULTANT:
        return "" if actor.may_manage_plan else "Only a consultant can do this."
    if role is RequiredRole.EITHER_SIDE or (
        role is RequiredRole.RESPONSIBLE_SIDE_OR_CONSULTANT and actor.may_manage_plan
    ):
        return ""
    if task.responsibility not in (actor.side, Responsibility.BOTH):
        return f"{_SIDE_NAMES[task.responsibility]} is responsible for this task."
    return ""


_SIDE_NAMES = {
    Responsibility.MIMECAST.value: "Mimecast",
    Responsibility.CLIENT.value: "The client",
}


def _wrong_status(task: Task) -> str:
    match task.status:
        case TaskStatus.NOT_APPLICABLE if task.manual_status:
            return "This task is marked as not applicable. Restore it first."
        case TaskStatus.NOT_APPLICABLE:
            return "This task does not apply to the tenant."
        case TaskStatus.DECLINED:
            return "This task is declined. Reconsider it first."
        case TaskStatus.ACCEPTED_RISK:
            return "The risk of this task is accepted. Restore the task first."
        case TaskStatus.VERIFIED:
            return "A check has verified this task. There is nothing to change."
    return f"The status of this task is “{TaskStatus(task.status).label}”. It does not allow this."


def input_error(
    reason: str, until: datetime | None, transition: Transition, *, now: datetime
) -> str:
    """The error in the reason or the end date of a transition; empty when both are valid."""
    if transition.requires_reason and not reason.strip():
        return "Enter a reason. Others read it later."
    if len(reason) > LONGEST_REASON:
        return f"Enter at most {LONGEST_REASON} characters. You entered {len(reason)}."
    if not transition.requires_end_date:
        return ""
    if until is None or until <= now:
        return "Enter an end date in the future."
    if until > now + MAX_ACCEPTED_RISK:
        return "A risk is accepted for one year at most. Choose an earlier day."
    return ""


def waiting_side_after(transition: Transition, side: str) -> str:
    """The side that a task waits for after the transition; empty when it does not set *waiting*."""
    if transition.manual_status is not ManualStatus.WAITING:
        return ""
    is_client = side == Responsibility.CLIENT
    return Responsibility.MIMECAST if is_client else Responsibility.CLIENT


def unread_status_text(manual_status: str, reason: str, *, by: str) -> str:
    """The refusal of a confirmation that would clear a manual status the user has not read."""
    quoted = f": “{reason}”" if reason else ""
    label = ManualStatus(manual_status).label.lower()
    return (
        f"{by} changed the status to “{label}”{quoted}. Nothing was changed."
        " Confirm the task again if it is done."
    )
