"""The closing obligations of a plan: tasks without a decision, and residual risks. Pure.

A residual risk is an unfinished wait, or a state that no check has verified. It ends by time or by
a check, or a consultant accepts it with a reason. Both sides sign off the implementation only
without open obligations.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from checks.engine.outcomes import Verdict
from checks.safe_times import LOCKDOWN_MARGIN
from onboarding.models import (
    SKIPPED_STATUSES,
    AcceptedResidualRisk,
    ResidualRiskKind,
    Task,
    TaskRole,
    TaskStatus,
)
from onboarding.models.cutovers import join_names
from onboarding.plans.dependencies import undecided_tasks
from onboarding.plans.task_roles import task_with_role

# The states of a residual risk.
UNKNOWN = "unknown"
UNTIL_DATE = "until-date"
NOT_STARTED = "not-started"
LOW = "low"
OPEN = "open"


@dataclass(frozen=True)
class InboundDomain:
    """One domain whose inbound mail switches to Mimecast.

    `safe_at` is the safe time of the lockdown for this domain; None while it is unknown, with the
    reason in `unknown_reason`. The TTLs are in seconds; `ttl_now` is None if it is unknown.
    """

    name: str
    safe_at: datetime | None
    unknown_reason: str
    ttl_now: int | None
    target_ttl: int
    # Whether a check has seen Mimecast's MX hosts alone.
    has_switched: bool = True


@dataclass(frozen=True)
class ClosingFacts:
    """The input of the obligations.

    `locked_down` has each delivery host with its verdict now. `contradicted` has each domain whose
    newest received message contradicts a confirmed task, with the title of the task.
    """

    tasks: Sequence[Task]
    domains: Sequence[InboundDomain]
    locked_down: Sequence[tuple[str, Verdict]]
    zone: zoneinfo.ZoneInfo
    now: datetime
    contradicted: Sequence[tuple[str, str]] = ()

    def format_time(self, at: datetime) -> str:
        """The time in the tenant's zone, such as Tue 1 Dec 2026, 20:35 EST."""
        local = at.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


@dataclass(frozen=True)
class ResidualRisk:
    """One residual risk, and the acceptance that covers it.

    `subject` is the domain, the host or the task; empty for the whole tenant. `ends_at` is the
    time at which the risk ends; None if no time ends it, or the time is unknown. `remedy` is the
    client's action that ends it; empty where the client has none.
    """

    kind: ResidualRiskKind
    subject: str
    state: str
    sentence: str
    ends_at: datetime | None = None
    remedy: str = ""
    acceptance: AcceptedResidualRisk | None = None
    # Why it cannot be accepted yet: until the decision on its task, the cause can change.
    too_early: str = ""

    @property
    def ends_by_time(self) -> bool:
        return self.ends_at is not None

    @property
    def is_accepted(self) -> bool:
        return self.acceptance is not None

    @property
    def is_unknown(self) -> bool:
        return self.state == UNKNOWN

    @property
    def name(self) -> str:
        """The kind with its subject, such as “MX TTL not raised again: example.com”."""
        label = ResidualRiskKind(self.kind).label
        return f"{label}: {self.subject}" if self.subject else str(label)


@dataclass(frozen=True)
class ClosingObligations:
    """The tasks without a decision, and every residual risk, accepted or not."""

    undecided: Sequence[Task] = ()
    risks: Sequence[ResidualRisk] = ()

    @property
    def open_risks(self) -> list[ResidualRisk]:
        return [risk for risk in self.risks if not risk.is_accepted]

    @property
    def refusal(self) -> str:
        """Why the implementation cannot be signed off or closed; empty when it can."""
        return undecided_refusal(self.undecided) or _risks_refusal(self.open_risks)


def undecided_refusal(undecided: Sequence[Task]) -> str:
    """The sentence that names up to three tasks without a decision; empty without such a task."""
    if not undecided:
        return ""
    titles = [f"“{task.title}”" for task in undecided]
    return (
        f"Still open: {_named(titles)}. Complete or decline each task, accept its risk, or mark it"
        " as not applicable."
    )


def _risks_refusal(risks: Sequence[ResidualRisk]) -> str:
    if not risks:
        return ""
    named = f"Residual risks: {_named([risk.name for risk in risks])}."
    if all(risk.ends_by_time for risk in risks):
        return (
            f"{named} A consultant accepts each risk with a reason, or you wait until it is over."
        )
    remedies = list(dict.fromkeys(risk.remedy for risk in risks if risk.remedy))
    left = len(remedies) - 2
    more = [f"And {left} more action{'' if left == 1 else 's'}."] if left > 0 else []
    accepted = "Otherwise a consultant accepts" if remedies else "A consultant accepts"
    return " ".join([named, *remedies[:2], *more, f"{accepted} each risk with a reason."])


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def closing_obligations(
    facts: ClosingFacts, acceptances: Iterable[AcceptedResidualRisk] = ()
) -> ClosingObligations:
    """The obligations of a plan. `acceptances` are those of the tenant that are not withdrawn."""
    accepted = {(each.kind, each.subject): each for each in acceptances}
    risks = []
    for found in residual_risks(facts):
        risk = replace(found, too_early=_too_early(found, facts.tasks))
        acceptance = accepted.get((risk.kind.value, risk.subject))
        is_covered = acceptance is not None and covers(acceptance, risk)
        risks.append(replace(risk, acceptance=acceptance) if is_covered else risk)
    return ClosingObligations(undecided_tasks(facts.tasks), risks)


_ROLE_OF_KIND = {
    ResidualRiskKind.LAST_CACHE: TaskRole.SWITCHES_INBOUND,
    ResidualRiskKind.MX_TTL: TaskRole.SWITCHES_INBOUND,
    ResidualRiskKind.SAFE_LOCKDOWN: TaskRole.LOCKDOWN,
    ResidualRiskKind.LOCKDOWN: TaskRole.LOCKDOWN,
}


def _too_early(risk: ResidualRisk, tasks: Sequence[Task]) -> str:
    """Why the risk cannot be accepted yet; empty when it can."""
    role = _ROLE_OF_KIND.get(risk.kind)
    if role is not None:
        task = task_with_role(tasks, role)
    else:
        after = {each.wait_after for each in tasks if each.is_timed and each.title == risk.subject}
        task = next((each for each in tasks if each.key in after), None)
    if task is None or not task.is_undecided:
        return ""
    return f"Decide on “{task.title}” first: until then the cause of this risk can change."


def covers(acceptance: AcceptedResidualRisk, risk: ResidualRisk) -> bool:
    """Whether the acceptance still applies: the risk has the same state, and it ends no later or
    has the same cause."""
    if (acceptance.kind, acceptance.subject, acceptance.state) != (
        risk.kind.value,
        risk.subject,
        risk.state,
    ):
        return False
    if risk.ends_at is None or acceptance.ends_at is None:
        return risk.ends_at is acceptance.ends_at and risk.sentence == acceptance.sentence
    return risk.ends_at <= acceptance.ends_at


def residual_risks(facts: ClosingFacts) -> list[ResidualRisk]:
    """Every residual risk of the plan now, in the order of the work."""
    return [
        *_waits(facts),
        *_last_caches(facts),
        *_safe_lockdown(facts),
        *_lockdown(facts),
        *_mx_ttls(facts),
        *_contradictions(facts),
    ]


def _waits(facts: ClosingFacts) -> Iterator[ResidualRisk]:
    """The timed tasks whose date is ahead, such as the days of outbound mail."""
    for task in facts.tasks:
        ends_at = task.wait_ends_at
        if not (task.is_timed and task.is_open_leaf):
            continue
        if ends_at is None:
            sentence = f"The wait of “{task.title}” has not started."
            yield ResidualRisk(ResidualRiskKind.WAIT, task.title, NOT_STARTED, sentence)
        elif ends_at > facts.now:
            sentence = f"The wait of “{task.title}” ends {facts.format_time(ends_at)}."
            yield ResidualRisk(ResidualRiskKind.WAIT, task.title, UNTIL_DATE, sentence, ends_at)


def _last_caches(facts: ClosingFacts) -> Iterator[ResidualRisk]:
    kind = ResidualRiskKind.LAST_CACHE
    for domain in facts.domains:
        if domain.safe_at is None:
            sentence = (
                f"Gangway cannot verify when caches drop the old MX records of {domain.name}."
                f" {domain.unknown_reason}"
            )
            remedy = _mx_remedy(facts, [domain.name])
            yield ResidualRisk(kind, domain.name, UNKNOWN, sentence, remedy=remedy)
            continue
        # The safe time includes a margin for resolvers that exceed the TTL.
        expires_at = domain.safe_at - LOCKDOWN_MARGIN
        if expires_at > facts.now:
            sentence = (
                f"Until {facts.format_time(expires_at)}, caches may direct mail for {domain.name}"
                " to the old hosts."
            )
            yield ResidualRisk(kind, domain.name, UNTIL_DATE, sentence, expires_at)


# A remedy continues the work of a task, so a task that is left out has none.
_DONE_STATUSES = (TaskStatus.DONE, TaskStatus.VERIFIED)


def _mx_remedy(facts: ClosingFacts, names: Sequence[str]) -> str:
    task = task_with_role(facts.tasks, TaskRole.SWITCHES_INBOUND)
    if task is None or task.status not in _DONE_STATUSES:
        return ""
    return f"Publish Mimecast’s MX hosts only, at every name server of {join_names(names)}."


def _safe_lockdown(facts: ClosingFacts) -> Iterator[ResidualRisk]:
    """None without a lockdown: a skipped one rejects no mail."""
    task = task_with_role(facts.tasks, TaskRole.LOCKDOWN)
    if task is None or not task.applies or task.status in SKIPPED_STATUSES or not facts.domains:
        return
    unknown = [domain.name for domain in facts.domains if domain.safe_at is None]
    if unknown:
        sentence = (
            "Gangway cannot verify from when the lockdown is safe. The end of the old MX records"
            f" of {join_names(unknown)} is unknown."
        )
        yield ResidualRisk(
            ResidualRiskKind.SAFE_LOCKDOWN, "", UNKNOWN, sentence, remedy=_mx_remedy(facts, unknown)
        )
        return
    safe_at = max(domain.safe_at for domain in facts.domains if domain.safe_at is not None)
    if safe_at > facts.now:
        sentence = (
            f"The lockdown is safe from {facts.format_time(safe_at)}. Before that time, it rejects"
            " mail that still uses the old route."
        )
        yield ResidualRisk(ResidualRiskKind.SAFE_LOCKDOWN, "", UNTIL_DATE, sentence, safe_at)


def _lockdown(facts: ClosingFacts) -> Iterator[ResidualRisk]:
    """None where a consultant accepted the risk of the task itself, or it does not apply."""
    task = task_with_role(facts.tasks, TaskRole.LOCKDOWN)
    decided = (TaskStatus.ACCEPTED_RISK, TaskStatus.NOT_APPLICABLE)
    if task is None or not task.applies or task.status in decided:
        return
    kind, is_done = ResidualRiskKind.LOCKDOWN, task.status in _DONE_STATUSES
    if not facts.locked_down:
        sentence = "Gangway cannot verify the lockdown. The profile has no delivery host to check."
        remedy = "Enter the delivery host of your mail system." if is_done else ""
        yield ResidualRisk(kind, "", UNKNOWN, sentence, remedy=remedy)
    for host, verdict in facts.locked_down:
        if verdict is Verdict.FAIL:
            sentence = (
                f"{host} accepts connections from outside Mimecast. Mail can bypass Mimecast."
            )
            remedy = f"Close {host} to connections from outside Mimecast." if is_done else ""
            yield ResidualRisk(kind, host, OPEN, sentence, remedy=remedy)
        elif verdict is Verdict.UNKNOWN:
            yield ResidualRisk(
                kind, host, UNKNOWN, f"Gangway cannot verify the lockdown of {host}."
            )


def _mx_ttls(facts: ClosingFacts) -> Iterator[ResidualRisk]:
    """None for a domain whose MX never moved: its TTL is to be lowered, not raised."""
    kind = ResidualRiskKind.MX_TTL
    task = task_with_role(facts.tasks, TaskRole.SWITCHES_INBOUND)
    is_done = task is not None and task.status in _DONE_STATUSES
    for domain in facts.domains:
        if not (domain.has_switched or is_done):
            continue
        if domain.ttl_now is None:
            sentence = (
                f"Gangway cannot verify the TTL of the MX records of {domain.name} at every server."
            )
            remedy = _mx_remedy(facts, [domain.name])
            yield ResidualRisk(kind, domain.name, UNKNOWN, sentence, remedy=remedy)
        elif domain.ttl_now < domain.target_ttl:
            sentence = (
                f"The MX records of {domain.name} have a TTL of {domain.ttl_now} s. Raise it to"
                f" {domain.target_ttl} s."
            )
            remedy = f"Raise the TTL of the MX records of {domain.name} to {domain.target_ttl} s."
            yield ResidualRisk(kind, domain.name, LOW, sentence, remedy=remedy)


def _contradictions(facts: ClosingFacts) -> Iterator[ResidualRisk]:
    for domain, title in facts.contradicted:
        sentence = f"The newest received message of {domain} contradicts “{title}”."
        remedy = f"Correct the delivery route of {domain}, then submit a new message."
        yield ResidualRisk(ResidualRiskKind.CONTRADICTION, domain, OPEN, sentence, remedy=remedy)
