"""How a person may transition a task: the acts, from where, by whom, and with what words. Pure.

Confirming stands in `services`, for a check may have a say in it; everything else people say of a
task is a transition of this table. A proof moves tasks by itself and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from onboarding.models import ManualStatus, Responsibility, TaskStatus

ACCEPTED_AT_MOST = timedelta(days=365)
LONGEST_REASON = 500

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


class RequiredRole(StrEnum):
    """Who may make a transition: whoever confirms tasks, or only whoever steers the plan."""

    EITHER_SIDE = "either side"
    CONSULTANT = "consultant"


@dataclass(frozen=True)
class Transition:
    """One thing a person can say of a task. `label` is what the button says."""

    key: str
    label: str
    manual_status: ManualStatus
    from_statuses: frozenset[TaskStatus]
    required_role: RequiredRole = RequiredRole.EITHER_SIDE
    reason_prompt: str = ""
    requires_end_date: bool = False
    optional_tasks_only: bool = False

    @property
    def requires_reason(self) -> bool:
        return bool(self.reason_prompt)


# A word about a task that somebody set aside would be lost under it.
NOT_CONFIRMABLE = {
    ManualStatus.DECLINED: "It was declined: take it up again first.",
    ManualStatus.ACCEPTED_RISK: "It is accepted as it is: bring it back first.",
    ManualStatus.NOT_NEEDED: "It was set aside as not applicable: bring it back first.",
}
# What can be said of a task that only time completes.
_ALLOWED_ON_WAITS = frozenset({"accept-risk", "mark-not-needed", "restore"})
_RESUMABLE = frozenset({TaskStatus.IN_PROGRESS, TaskStatus.WAITING, TaskStatus.BLOCKED})

TRANSITIONS: Mapping[str, Transition] = MappingProxyType(
    {
        transition.key: transition
        for transition in (
            Transition(
                "start",
                "We have started",
                ManualStatus.IN_PROGRESS,
                _OPEN - {TaskStatus.IN_PROGRESS},
            ),
            Transition(
                "wait",
                "Wait for the other side",
                ManualStatus.WAITING,
                _OPEN - {TaskStatus.WAITING},
                reason_prompt="What do they have to do or answer?",
            ),
            Transition(
                "block",
                "It is blocked",
                ManualStatus.BLOCKED,
                _OPEN - {TaskStatus.BLOCKED},
                reason_prompt="What is in the way?",
            ),
            Transition("resume", "Go on with it", ManualStatus.NONE, _RESUMABLE),
            Transition(
                "decline",
                "Decline it",
                ManualStatus.DECLINED,
                _OPEN,
                reason_prompt="Why is it not wanted?",
                optional_tasks_only=True,
            ),
            Transition(
                "accept-risk",
                "Accept it as it is",
                ManualStatus.ACCEPTED_RISK,
                _OPEN,
                required_role=RequiredRole.CONSULTANT,
                reason_prompt="Which risk is taken, and why?",
                requires_end_date=True,
            ),
            Transition(
                "mark-not-needed",
                "It does not apply",
                ManualStatus.NOT_NEEDED,
                _OPEN,
                required_role=RequiredRole.CONSULTANT,
                reason_prompt="Why does it not apply?",
            ),
            Transition(
                "reconsider",
                "Take it up again",
                ManualStatus.NONE,
                frozenset({TaskStatus.DECLINED}),
            ),
            Transition(
                "restore",
                "Bring it back",
                ManualStatus.NONE,
                frozenset({TaskStatus.ACCEPTED_RISK, TaskStatus.NOT_APPLICABLE}),
                required_role=RequiredRole.CONSULTANT,
            ),
        )
    }
)


@dataclass(frozen=True)
class Actor:
    """The person before a task: the side they speak for, if any, and whether they steer."""

    side: str
    may_manage_plan: bool


@dataclass(frozen=True)
class TransitionContext:
    """What of a task decides which moves there are."""

    status: str
    manual_status: str
    responsibility: str
    is_group: bool = False
    is_optional: bool = False
    is_wait: bool = False


def why_not(transition: Transition, context: TransitionContext, actor: Actor) -> str:
    """Why the person may not make the transition from there; empty when they may."""
    if context.is_group:
        return "This is a group: it stands as the tasks below it do."
    if not actor.side:
        return "You can read this plan, but not change its tasks."
    if transition.required_role is RequiredRole.CONSULTANT and not actor.may_manage_plan:
        return "Only a consultant can say this of a task."
    if not actor.may_manage_plan and context.responsibility not in (
        actor.side,
        Responsibility.BOTH,
    ):
        return f"This task is {Responsibility(context.responsibility).label}’s."
    if context.status not in transition.from_statuses:
        return f"The task stands at “{TaskStatus(context.status).label}” now, where this cannot be said."
    return _why_not_for_anyone(transition, context)


def _why_not_for_anyone(transition: Transition, context: TransitionContext) -> str:
    """Why nobody can make the transition from there, whoever they are."""
    if transition.key == "restore" and not context.manual_status:
        return "The tenant’s profile says that this task does not apply: change it there."
    if context.is_wait and transition.key not in _ALLOWED_ON_WAITS:
        return "Only time completes this: it is accepted as it is, set aside, or waited for."
    if transition.optional_tasks_only and not context.is_optional:
        return "Only what the article offers as optional can be declined."
    return ""


def available_transitions(context: TransitionContext, actor: Actor) -> list[Transition]:
    """What this person can say of the task now."""
    return [
        transition for transition in TRANSITIONS.values() if not why_not(transition, context, actor)
    ]


def input_error(
    reason: str, until: datetime | None, transition: Transition, *, now: datetime
) -> str:
    """What is wrong with the words given for a transition; empty when nothing is."""
    if transition.requires_reason and not reason.strip():
        return "Say it in a few words: whoever reads this later was not here."
    if len(reason) > LONGEST_REASON:
        return f"Say it in at most {LONGEST_REASON} characters; you wrote {len(reason)}."
    if not transition.requires_end_date:
        return ""
    if until is None or until <= now:
        return "Say until when, with a day that is still to come."
    if until > now + ACCEPTED_AT_MOST:
        return "A risk is accepted for a year at most: choose an earlier day."
    return ""


def waiting_side_after(transition: Transition, side: str) -> str:
    """Whom a task waits for after the transition: the other side, where somebody says that it waits."""
    if transition.manual_status is not ManualStatus.WAITING:
        return ""
    is_client = side == Responsibility.CLIENT
    return Responsibility.MIMECAST if is_client else Responsibility.CLIENT


def unread_status_text(manual_status: str, reason: str, *, by: str) -> str:
    """What whoever confirms a task did not read yet."""
    words = f": “{reason}”" if reason else ""
    return (
        f"{by} said meanwhile that it is “{ManualStatus(manual_status).label.lower()}”{words}. Nothing was changed:"
        " confirm it if it is done all the same."
    )
