"""What is next on an open task: time, a check, or an action of one side. Pure.

Every place that names the next actor uses it: the client's home, the row of a task, the stored
`waiting_on` with its reminders, the forecast, the desk and the closing page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from checks.engine.outcomes import UNVERIFIED_KINDS, CheckKind, Verdict
from checks.models import Check
from onboarding.models import Responsibility, Task, TaskStatus
from onboarding.plans.closing_obligations import ResidualRisk
from onboarding.plans.proof import ProofSubject, TaskEvidence
from onboarding.plans.safe_times import PlanSafeTime

_CLIENT, _MIMECAST = Responsibility.CLIENT.value, Responsibility.MIMECAST.value
_NO_CONSENT = "host.no-consent"
# A person, a check or a text states that such a task is done.
MARKED_AS_DONE = (TaskStatus.DONE, TaskStatus.VERIFIED, TaskStatus.AWAITING_VERIFICATION)


class ActionKind(StrEnum):
    """The actions that no check and no time replaces, the most urgent first."""

    CORRECT = "correct"
    SUBMIT_MESSAGE = "submit-message"
    ENTER_VALUE = "enter-value"
    COMPLETE_PROFILE = "complete-profile"
    DECIDE_VALUE = "decide-value"
    CONFIRM_CONSENT = "confirm-consent"
    ACCEPT_RISK = "accept-risk"
    REPAIR_SERVERS = "repair-servers"
    END_RISK = "end-risk"


@dataclass(frozen=True)
class RequiredAction:
    """One action of one side. `side` is mimecast or client, `subject` a domain, host or task."""

    kind: ActionKind
    side: str
    subject: str
    sentence: str
    # Whether the newest run explains the action, so that pages show its findings.
    has_findings: bool = False
    check: Check | None = None


class Awaited(StrEnum):
    PERSON = "person"
    CHECK = "check"
    TIME = "time"


@dataclass(frozen=True)
class NextAction:
    """The next event on a task. `actions` are those of persons, the most urgent first.

    `next_check_at` is the next run of a check; None while none is scheduled.
    """

    awaited: Awaited
    actions: tuple[RequiredAction, ...] = ()
    next_check_at: datetime | None = None

    @property
    def is_on_person(self) -> bool:
        return self.awaited is Awaited.PERSON

    @property
    def side(self) -> str:
        """The side that acts: mimecast, client or both; empty while time or a check decides."""
        sides = {action.side for action in self.actions}
        return Responsibility.BOTH.value if len(sides) > 1 else next(iter(sides), "")

    @property
    def sentence(self) -> str:
        """The first action, and the number of the others; empty without an action."""
        if not self.actions:
            return ""
        others = len(self.actions) - 1
        return (
            f"{self.actions[0].sentence} And {others} more." if others else self.actions[0].sentence
        )


_TIME = NextAction(Awaited.TIME)


def next_action(
    task: Task,
    evidence: TaskEvidence,
    supporting: TaskEvidence,
    *,
    unsafe_until: datetime | None = None,
    unknown_safe_time: PlanSafeTime | None = None,
    open_risks: Sequence[ResidualRisk] = (),
) -> NextAction | None:
    """The next event on a task; None where the ordinary work on it is next, or none is left.

    The safe times and the risks are those of a task without open dependencies. A period is a task
    that only time completes. An unknown safe time is no matter of time: a person repairs the
    servers that leave it unknown.
    """
    if task.is_timed:
        is_running = task.is_open_leaf and task.wait_ends_at is not None
        return _TIME if is_running else None
    if open_risks:
        return _of_risks(open_risks)
    # A request to one side comes before the safe time.
    is_request = task.status == TaskStatus.WAITING
    if unknown_safe_time is not None and task.is_open_leaf and not is_request:
        return of_unknown_safe_time(unknown_safe_time)
    if unsafe_until is not None and task.is_open_leaf:
        return _TIME
    return proof_action(task, evidence, supporting)


def proof_action(task: Task, evidence: TaskEvidence, supporting: TaskEvidence) -> NextAction | None:
    """The next event on a confirmed task that no check has verified, or that a message contradicts.

    None for any other task.
    """
    contradicted = [
        _contradicting_message(task, subject)
        for subject in contradicting_messages(task, evidence, supporting)
        if not subject.has_pending_message
    ]
    if task.status != TaskStatus.AWAITING_VERIFICATION or not task.applies:
        return NextAction(Awaited.PERSON, tuple(contradicted)) if contradicted else None
    actions = sorted([*contradicted, *required_actions(task, evidence)], key=_urgency)
    if actions:
        return NextAction(Awaited.PERSON, tuple(actions))
    checks = [s.check for s in evidence.subjects if s.check is not None and not _is_settled(s)]
    return NextAction(
        Awaited.CHECK, next_check_at=min((c.next_due_at for c in checks), default=None)
    )


def required_actions(task: Task, evidence: TaskEvidence) -> list[RequiredAction]:
    """The actions that the checks of a task need before they can verify it, for every status."""
    found = [_missing(kind) for kind in evidence.missing]
    checked = {s.kind for s in evidence.subjects if s.check is not None}
    found += [
        action
        for s in evidence.subjects
        if (action := _required_action(task, s, can_exempt=s.kind in checked)) is not None
    ]
    found += [_of_export(task, s) for s in evidence.alternatives if s.settled is Verdict.FAIL]
    if not evidence.subjects and not evidence.missing and task.check_kinds:
        sentence = (
            "No check applies to this profile. A consultant marks the task as not applicable."
        )
        found.append(RequiredAction(ActionKind.COMPLETE_PROFILE, _MIMECAST, task.title, sentence))
    return found


def _of_export(task: Task, subject: ProofSubject) -> RequiredAction:
    """A new export, after the settings that the newest one shows are corrected."""
    sentence = f"Correct the settings of {subject.name}, and submit a new export."
    return RequiredAction(
        ActionKind.CORRECT, _own_side(task), subject.name, sentence, True, subject.check
    )


def contradicting_messages(
    task: Task, evidence: TaskEvidence, supporting: TaskEvidence
) -> tuple[ProofSubject, ...]:
    """The subjects for which a message shows that a confirmed or verified task is not done.

    Also while a new message waits for its run: only its verdict can end the contradiction.
    """
    if task.status not in MARKED_AS_DONE:
        return ()
    return evidence.contradicting_messages + supporting.contradicting_messages


def contradicting_checks(task: Task, evidence: TaskEvidence) -> list[Check]:
    """The checks with a run after the task's confirmation that found that it is not done."""
    return [
        subject.check
        for subject in evidence.subjects
        if subject.check is not None and _is_contradicted(task, subject)
    ]


def kinds_that_decide(task: Task) -> frozenset[str]:
    """The kinds of checks whose runs can change `proof_action`; none for most tasks.

    Any check of a confirmed task can. A complete one is contradicted by received messages only.
    """
    if not task.applies or task.is_group:
        return frozenset()
    if task.status == TaskStatus.AWAITING_VERIFICATION:
        return frozenset([*task.check_kinds, *task.source_kinds, *_text_kinds(task)])
    return _text_kinds(task) if task.status in MARKED_AS_DONE else frozenset()


def _text_kinds(task: Task) -> frozenset[str]:
    """The kinds whose messages have a text that a person can edit."""
    return frozenset(UNVERIFIED_KINDS & {*task.check_kinds, *task.evidence_kinds})


def _urgency(action: RequiredAction) -> int:
    return list(ActionKind).index(action.kind)


def _own_side(task: Task) -> str:
    """The side that works on the records, the hosts and the messages of a task."""
    return _MIMECAST if task.responsibility == Responsibility.MIMECAST else _CLIENT


def _is_settled(subject: ProofSubject) -> bool:
    """Whether the subject needs no further run: it is verified, or no check can verify it."""
    return (
        subject.is_verified
        or subject.is_unverified_text
        or subject.settled is Verdict.NOT_APPLICABLE
        or subject.is_unverifiable
    )


def _required_action(
    task: Task, subject: ProofSubject, *, can_exempt: bool
) -> RequiredAction | None:
    """`can_exempt`: whether another domain has a check. The last domain cannot be exempt."""
    check = subject.check
    if _is_settled(subject) or subject.has_pending_message:
        return None
    if check is None:
        return _without_check(task, subject, can_exempt=can_exempt)
    if _is_contradicted(task, subject):
        return _contradicting_run(task, subject, check)
    if check.is_proposed:
        sentence = (
            f"The value of {subject.name} is {check.proposed_label}. A consultant confirms or"
            " rejects it."
        )
        return RequiredAction(ActionKind.DECIDE_VALUE, _MIMECAST, subject.name, sentence)
    if subject.needs_message:
        return RequiredAction(
            ActionKind.SUBMIT_MESSAGE,
            _own_side(task),
            subject.name,
            _message_sentence(subject, check),
            has_findings=not subject.is_early and check.latest is not None,
            check=check,
        )
    codes = {found["code"] for found in check.latest.findings} if check.latest is not None else ()
    if _NO_CONSENT in codes:
        sentence = f"A consultant confirms the client’s consent to connections to {subject.name}."
        return RequiredAction(ActionKind.CONFIRM_CONSENT, _MIMECAST, subject.name, sentence)
    return None


def _without_check(task: Task, subject: ProofSubject, *, can_exempt: bool) -> RequiredAction:
    """No check of the subject exists, so the confirmation waits for the value that it needs."""
    name = subject.name
    match subject.kind:
        case CheckKind.OWNERSHIP:
            sentence = (
                f"Enter the ownership code of {name} from Mimecast’s console. Without it, no check"
                " can verify this task."
            )
        case CheckKind.DKIM | CheckKind.MESSAGE:
            sentence = (
                f"Enter the DKIM selector of {name} from Mimecast’s console. Without it, no check"
                f" can verify this task. {_without_selector(task, can_exempt=can_exempt)}"
            )
        case CheckKind.LOCKDOWN:
            sentence = (
                f"No check of {name} runs, because this installation has no control target. A"
                " consultant accepts the risk of this task."
            )
            return RequiredAction(ActionKind.ACCEPT_RISK, _MIMECAST, name, sentence)
        case _:
            sentence = f"{name} cannot be checked yet. A consultant completes the tenant’s profile."
            return RequiredAction(ActionKind.COMPLETE_PROFILE, _MIMECAST, name, sentence)
    return RequiredAction(ActionKind.ENTER_VALUE, _own_side(task), name, sentence)


def _without_selector(task: Task, *, can_exempt: bool) -> str:
    """The end of a task whose domain does not sign at Mimecast."""
    if can_exempt:
        return "Without a selector, a consultant must exempt the domain and enter a reason."
    if task.is_optional:
        return "If Mimecast signs for no domain, decline this task and enter a reason."
    return (
        "If Mimecast signs for no domain, a consultant must accept the risk of this task and enter"
        " a reason."
    )


def _missing(kind: CheckKind) -> RequiredAction:
    """The profile has no subject of the kind."""
    if kind is CheckKind.SMTP:
        sentence = "Nothing to check yet: enter a delivery host, because the profile has none."
        return RequiredAction(ActionKind.ENTER_VALUE, _CLIENT, str(kind.value), sentence)
    thing = "a directory host" if kind is CheckKind.LDAPS else "a domain that this task applies to"
    sentence = f"Nothing to check yet: a consultant enters {thing} in the tenant’s profile."
    return RequiredAction(ActionKind.COMPLETE_PROFILE, _MIMECAST, str(kind.value), sentence)


def _message_sentence(subject: ProofSubject, check: Check) -> str:
    name = subject.name
    if subject.sending_platforms:
        return _hybrid_sentence(subject)
    if subject.is_early:
        what = f"The signed message from {name} is a pilot message."
        if subject.confirmed_at:
            return f"{what} Send a new message."
        return f"{what} Confirm that the other connectors are off, then send a new message."
    if check.latest is None:
        return f"Submit a test message from {name} to verify this task."
    return f"Submit another message from {name}. The last one does not verify this task."


def _hybrid_sentence(subject: ProofSubject) -> str:
    """Each half of a hybrid system needs a message, also before the first one."""
    missing = [platform.label for platform in subject.missing_platforms]
    parts = " sent, and another that ".join(missing)
    if not subject.confirmed_at:
        return (
            "Confirm that the other connectors are off. After that, submit a message from"
            f" {subject.name} that {parts} sent."
        )
    return f"Submit a message from {subject.name} that {parts} sent after the confirmation."


def _is_contradicted(task: Task, subject: ProofSubject) -> bool:
    """Whether a run after the confirmation found that the subject is not done."""
    confirmed = [at for at in (task.mimecast_confirmed_at, task.client_confirmed_at) if at]
    check = subject.check
    if task.status != TaskStatus.AWAITING_VERIFICATION or not confirmed or check is None:
        return False
    has_passed = subject.settled is not None and subject.settled.is_passing
    return (
        not has_passed
        and check.latest is not None
        and check.latest.verdict == Verdict.FAIL.value
        and check.latest.last_seen_at > max(confirmed)
    )


def _contradicting_run(task: Task, subject: ProofSubject, check: Check) -> RequiredAction:
    then = "submit a new message" if subject.needs_message else "check it again"
    sentence = f"The last check of {subject.name} found a fault. Correct it, then {then}."
    return RequiredAction(ActionKind.CORRECT, _own_side(task), subject.name, sentence, True, check)


def _contradicting_message(task: Task, subject: ProofSubject) -> RequiredAction:
    sentence = (
        f"A received message contradicts this task. Correct the route to {subject.name}, then"
        " submit a new message."
    )
    return RequiredAction(
        ActionKind.CORRECT, _own_side(task), subject.name, sentence, True, subject.check
    )


def of_unknown_safe_time(safety: PlanSafeTime) -> NextAction:
    """The client repairs the name servers that leave the safe time of a task unknown."""
    sentence = f"{safety.cause} {safety.remedy}"
    return NextAction(
        Awaited.PERSON,
        (RequiredAction(ActionKind.REPAIR_SERVERS, _CLIENT, safety.domain, sentence),),
    )


def _of_risks(risks: Iterable[ResidualRisk]) -> NextAction:
    """The actions that end residual risks. Time ends the others, or a consultant accepts them."""
    actions = tuple(_end_risks(risks))
    return NextAction(Awaited.PERSON, actions) if actions else _TIME


def _end_risks(risks: Iterable[ResidualRisk]) -> Iterator[RequiredAction]:
    """The client's remedy for each risk, else the consultant's acceptance of the risk."""
    for risk in risks:
        if risk.remedy:
            yield RequiredAction(ActionKind.END_RISK, _CLIENT, risk.subject, risk.remedy)
        elif not risk.ends_by_time:
            sentence = f"A consultant accepts the risk “{risk.name}” with a reason."
            yield RequiredAction(ActionKind.ACCEPT_RISK, _MIMECAST, risk.subject, sentence)
