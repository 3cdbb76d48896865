"""The follow-up of a cutover: the work left after the switch, such as lockdown and TTL.

Pure over the facts of the readiness. No row blocks a cutover. A row without an answer is shown as
unknown, never as done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from checks.safe_times import LOCKDOWN_MARGIN, SafeTime
from onboarding.cutovers.readiness import ReadinessFacts, current_verdict
from onboarding.models import Cutover, Task, TaskRole, TaskStatus
from onboarding.models.cutovers import join_names
from onboarding.plans.mx_ttls import target_ttl
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import Shape

# The tasks to which people attach a message that came in through Mimecast.
MESSAGE_ROLES = (TaskRole.SWITCHES_INBOUND, TaskRole.DELIVERY_TEST)
_MESSAGE_REMEDY = (
    "Send one from a mailbox there to an outside address, and submit its source as received."
)


@dataclass(frozen=True)
class DomainSwitch:
    """One domain whose inbound mail must switch. `is_own`: it belongs to this cutover.

    `safe_time` is the safe time of the lockdown. `ttl_now` is the lowest TTL of its MX records at
    any server, in seconds. `original_mx_ttl_seconds` is the highest TTL before, or 0 if unknown.
    """

    name: str
    safe_time: SafeTime | None
    ttl_now: int | None
    original_mx_ttl_seconds: int = 0
    is_own: bool = True

    @property
    def has_switched(self) -> bool:
        return self.safe_time is not None and self.safe_time.safe_at is not None

    @property
    def target_ttl(self) -> int:
        return target_ttl(self.original_mx_ttl_seconds)


@dataclass(frozen=True)
class FollowUp:
    """One row of the follow-up. `check` and `task` lead to its evidence."""

    key: str
    title: str
    shape: Shape
    detail: str
    remedy: str = ""
    check: Check | None = None
    task: Task | None = None


def has_started(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> bool:
    """Whether the follow-up begins: the window has opened, or one of its domains has switched."""
    has_switched = any(each.has_switched for each in domains if each.is_own)
    return facts.is_open or facts.now >= facts.cutover.planned_at or has_switched


def follow_ups(facts: ReadinessFacts, domains: Sequence[DomainSwitch] = ()) -> list[FollowUp]:
    """The rows in the order of the work.

    `domains` are all domains of the tenant whose inbound mail must switch, because the old hosts
    stay in use until the last of them has switched.
    """
    if facts.cutover.direction == Cutover.Direction.OUTBOUND:
        return [_message(facts), _old_senders(facts)]
    return [
        _old_hosts(facts, domains),
        _message_in(facts, domains),
        _lockdown(facts, domains),
        *_narrower_policy(facts),
        _ttl(facts, [each for each in domains if each.is_own]),
    ]


# --- Outbound


def _message(facts: ReadinessFacts) -> FollowUp:
    title = "A test message left through Mimecast"
    checked = [
        subject for subject in facts.subjects_of(CheckKind.MESSAGE) if subject.check is not None
    ]
    if not checked:
        detail = "The profile has no selector for these domains, so no message can verify it."
        return FollowUp(
            "message", title, Shape.UNKNOWN, detail, "Enter the selector in the profile."
        )
    unverified = [subject for subject in checked if not subject.is_verified]
    contradicted = [s for s in checked if s.is_verified and not s.state.is_verified]
    if contradicted and not unverified:
        detail = f"The newest message from {_names(contradicted)} does not confirm it."
        return FollowUp(
            "message", title, Shape.WAITING, detail, _MESSAGE_REMEDY, check=contradicted[0].check
        )
    if not unverified:
        detail = f"A signed message verified it for {_names(checked)}."
        return FollowUp("message", title, Shape.PASS, detail, check=checked[0].check)
    detail = f"No message from {_names(unverified)} has verified it yet."
    return FollowUp(
        "message", title, Shape.TODO, detail, _MESSAGE_REMEDY, check=unverified[0].check
    )


def _old_senders(facts: ReadinessFacts) -> FollowUp:
    title = "Old senders retired from SPF"
    subjects = facts.subjects_of(CheckKind.SPF)
    without = [s for s in subjects if current_verdict(s, facts) is Verdict.FAIL]
    if without:
        detail = f"SPF of {_names(without)} does not allow Mimecast."
        remedy = "Publish Mimecast's include first, and remove the others after that."
        return FollowUp(
            "old-senders", title, Shape.FAIL, detail, remedy, check=_first_check(without)
        )
    others = [(s, others_in(s) if current_verdict(s, facts).is_passing else None) for s in subjects]
    unknown = [s for s, terms in others if terms is None]
    if unknown or not others:
        detail = f"The senders in SPF of {_names(unknown)} are not known."
        return FollowUp("old-senders", title, Shape.UNKNOWN, detail, check=_first_check(unknown))
    left = [(s, terms) for s, terms in others if terms]
    if not left:
        return FollowUp("old-senders", title, Shape.PASS, "SPF allows only Mimecast.")
    detail = "; ".join(f"{s.name} also allows {', '.join(terms or ())}" for s, terms in left)
    remedy = "Remove each sender that no longer sends directly. Active direct senders may remain."
    return FollowUp(
        "old-senders", title, Shape.WAITING, f"{detail}.", remedy, check=left[0][0].check
    )


def others_in(subject: ProofSubject) -> list[str] | None:
    """The terms that an SPF record allows besides the region's include; None if not known."""
    latest = subject.check.latest if subject.check is not None else None
    if latest is None or not latest.unanimous:
        return None
    record = str(latest.evidence.get("record", ""))
    include = str(latest.evidence.get("include", "")).lower()
    if not record or not include:
        return None
    return [term for term in record.split()[1:] if _authorises(term, include)]


def _authorises(term: str, include: str) -> bool:
    """Whether the term lets another sender pass (RFC 7208 sections 4.6.2, 5 and 6.1)."""
    plain = term.lower().removeprefix("+")
    if plain.startswith("redirect="):
        return True
    is_modifier = "=" in plain.partition(":")[0].partition("/")[0]
    return not (is_modifier or plain.startswith(("-", "~", "?")) or plain == f"include:{include}")


# --- Inbound


def _old_hosts(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    title = "The old hosts still accept mail"
    lagging = [each for each in domains if not each.has_switched]
    if not domains or lagging:
        detail = (
            f"The new answer for {_names_or_default(lagging)} is not known at every server yet."
        )
        remedy = "Until caches of the old answer expire, the old hosts receive mail for you."
        if lagging and not any(each.is_own for each in lagging):
            remedy = "Domains outside this cutover need them too. Do not switch them off."
        return FollowUp("old-hosts", title, Shape.WAITING, detail, remedy)
    last = max(domains, key=_safe_at(facts))
    safe_at = _safe_at(facts)(last)
    expires_at = safe_at - LOCKDOWN_MARGIN
    if facts.now < safe_at:
        until = facts.format_time(expires_at)
        if facts.now < expires_at:
            detail = f"Until {until} a cache may direct mail for {last.name} to them."
        else:
            detail = f"Caches of the old answer for {last.name} expired by {until}."
        remedy = (
            f"Do not switch them off or end a contract before {facts.format_time(safe_at)}: some"
            " resolvers exceed the TTL."
        )
        return FollowUp("old-hosts", title, Shape.WAITING, detail, remedy)
    detail = f"All caches of the old answer expired by {facts.format_time(expires_at)}."
    return FollowUp("old-hosts", title, Shape.PASS, detail)


def _message_in(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    """Received lines are plain text, so the row names its source and completes no task."""
    title = "A test message came in through Mimecast"
    task = next(iter(facts.tasks_with_role(*MESSAGE_ROLES)), None)
    subjects = [s for s in facts.subjects_of(CheckKind.DELIVERY_MESSAGE) if s.check is not None]
    contradicting = [s for s in subjects if s.contradicts]
    if contradicting:
        detail = (
            f"The newest message to {_names(contradicting)} was not received from this region of"
            " Mimecast."
        )
        remedy = (
            "Compare its sending server with the MX records and with the region of the profile."
        )
        return FollowUp(
            "message-in", title, Shape.FAIL, detail, remedy, _first_check(contradicting), task
        )
    shown = [s for s in subjects if s.settled is not None and s.settled.is_passing]
    if shown and len(shown) == len(subjects):
        detail = f"The headers of a submitted message show it for {_names(shown)}."
        return FollowUp(
            "message-in", title, Shape.PASS, detail, check=_first_check(shown), task=task
        )
    return _message_attached(facts, domains, [s for s in subjects if s not in shown], task)


def _message_attached(
    facts: ReadinessFacts,
    domains: Sequence[DomainSwitch],
    missing: Sequence[ProofSubject],
    task: Task | None,
) -> FollowUp:
    """The row while the submitted messages do not cover every domain."""
    title = "A test message came in through Mimecast"
    lagging = [each for each in domains if each.is_own and not each.has_switched]
    if facts.uploaded_messages:
        message = facts.uploaded_messages[-1]
        detail = (
            f"{message.uploaded_by or 'A person'} attached {message.name} to its task,"
            f" {facts.format_time(message.uploaded_at)}. Gangway cannot verify its route."
        )
        return FollowUp("message-in", title, Shape.PASS, detail, task=task)
    if lagging:
        names = _names_or_default(lagging)
        detail = f"A test is possible after every server publishes the new answer for {names}."
        return FollowUp("message-in", title, Shape.LOCKED, detail, task=task)
    detail = f"No message to {_names(missing)} has been submitted since the switch."
    remedy = "Send one from outside to a mailbox there, and submit its source as received."
    check = _first_check(missing)
    return FollowUp("message-in", title, Shape.TODO, detail, remedy, check=check, task=task)


def _safe_at(facts: ReadinessFacts) -> Callable[[DomainSwitch], datetime]:
    def of(each: DomainSwitch) -> datetime:
        at = each.safe_time.safe_at if each.safe_time is not None else None
        return at if at is not None else facts.now

    return of


def _names_or_default(domains: Sequence[DomainSwitch]) -> str:
    return join_names([each.name for each in domains]) if domains else "these domains"


def _lockdown(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    title = "Lockdown, checked from both sides"
    task = facts.task(TaskRole.LOCKDOWN)
    sides = " ".join([_from_outside(facts), _from_mimecast(facts)])
    lagging = [each for each in domains if not each.has_switched]
    if task is not None and (task.is_complete or not task.applies):
        detail = f"{_status_of(task)} {sides}"
        remedy = _lockdown_caution(task, facts, lagging)
        shape = Shape.CAUTION if remedy or task.status == TaskStatus.ACCEPTED_RISK else Shape.PASS
        return FollowUp("lockdown", title, shape, detail, remedy, task=task)
    if not domains or lagging:
        detail = (
            "The safe time is known once every server publishes the new answer for"
            f" {_names_or_default(lagging)}. {sides}"
        )
        return FollowUp("lockdown", title, Shape.LOCKED, detail, task=task)
    safe_at = max(map(_safe_at(facts), domains))
    detail = f"Earliest safe lockdown: {facts.format_time(safe_at)}. {sides}"
    if facts.now < safe_at:
        remedy = "A lockdown before that time rejects mail that still uses the old route."
        return FollowUp("lockdown", title, Shape.WAITING, detail, remedy, task=task)
    remedy = "Allow only your region's ranges on port 25."
    return FollowUp("lockdown", title, Shape.TODO, detail, remedy, task=task)


def _lockdown_caution(task: Task, facts: ReadinessFacts, lagging: Sequence[DomainSwitch]) -> str:
    """The caution about a lockdown that is marked as done; empty without one."""
    if not task.applies:
        return ""
    if any(
        current_verdict(s, facts) is Verdict.FAIL for s in facts.subjects_of(CheckKind.LOCKDOWN)
    ):
        return "Allow only your region's ranges on port 25: others can bypass Mimecast."
    if lagging:
        return (
            f"The new answer for {_names_or_default(lagging)} is not known at every server yet."
            " Mail that still uses the old route may be rejected."
        )
    return ""


def _status_of(task: Task) -> str:
    return f"{task.get_status_display()}." if task.applies else "Not applicable."


def _from_outside(facts: ReadinessFacts) -> str:
    verdicts = [(s, current_verdict(s, facts)) for s in facts.subjects_of(CheckKind.LOCKDOWN)]
    closed = [s for s, each in verdicts if each is Verdict.PASS]
    open_hosts = [s for s, each in verdicts if each is Verdict.FAIL]
    partial = [s for s, each in verdicts if each is Verdict.WARN]
    if open_hosts:
        return f"From outside {_names(open_hosts)} still answers."
    if partial:
        return f"From outside {_names(partial)} rejects only your own domains as senders."
    if verdicts and len(closed) == len(verdicts):
        return f"From outside {_names(closed)} is closed."
    return "The state from outside is not known."


def _from_mimecast(facts: ReadinessFacts) -> str:
    """A host that is down appears closed, so an allowed address must reach it too."""
    verdicts = [(s, current_verdict(s, facts)) for s in facts.subjects_of(CheckKind.SMTP)]
    reached = [s for s, each in verdicts if each.is_passing]
    if verdicts and len(reached) == len(verdicts):
        return f"From an allowed address {_names(reached)} answers."
    return "Gangway cannot check whether it answers Mimecast. Check that mail still arrives."


def _narrower_policy(facts: ReadinessFacts) -> list[FollowUp]:
    """Old hosts that a policy still permits may receive mail again (RFC 8461 section 3.2)."""
    title = "MTA-STS permits the new hosts alone"
    wide = [
        (s, hosts)
        for s in facts.subjects_of(CheckKind.MTA_STS)
        for hosts in [_extra_patterns(s)]
        if hosts
    ]
    if not wide:
        return []
    detail = "; ".join(f"{s.name} still permits {', '.join(hosts)}" for s, hosts in wide)
    remedy = "After the lockdown, remove them from the policy and change the record's id."
    return [FollowUp("mta-sts", title, Shape.TODO, f"{detail}.", remedy, check=wide[0][0].check)]


def _extra_patterns(subject: ProofSubject) -> list[str]:
    latest = subject.check.latest if subject.check is not None else None
    evidence: dict[str, Any] = latest.evidence if latest is not None else {}
    policy = evidence.get("policy") or {}
    expected = {str(host).lower() for host in evidence.get("expected") or ()}
    patterns = [str(pattern).lower() for pattern in policy.get("mx") or ()]
    if policy.get("mode") == "none":
        return []
    return [p for p in patterns if p not in expected and not _is_wildcard_of(p, expected)]


def _is_wildcard_of(pattern: str, hosts: set[str]) -> bool:
    """Whether the pattern matches a host: `*` matches exactly one label (RFC 8461 section 4.1)."""
    return pattern.startswith("*.") and any(h.partition(".")[2] == pattern[2:] for h in hosts)


def _ttl(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    title = "TTL raised again"
    unknown = [each for each in domains if each.ttl_now is None]
    low = [each for each in domains if each.ttl_now is not None and each.ttl_now < each.target_ttl]
    check = next((s.check for s in facts.subjects_of(CheckKind.MX)), None)
    if unknown or not domains:
        detail = f"The TTL of {join_names([e.name for e in unknown])} is not known at every server."
        return FollowUp("ttl", title, Shape.UNKNOWN, detail, check=check)
    if not low:
        return FollowUp(
            "ttl", title, Shape.PASS, "It has its original value or a longer one.", check=check
        )
    detail = "; ".join(f"{e.name} has {e.ttl_now} s" for e in low)
    aims = "; ".join(f"{e.name} to {e.target_ttl} s" for e in low)
    lockdown = facts.task(TaskRole.LOCKDOWN)
    if lockdown is not None and lockdown.applies and not lockdown.is_complete:
        remedy = f"After the lockdown: {aims}. Until then a low TTL permits a fast rollback."
        return FollowUp("ttl", title, Shape.WAITING, f"{detail}.", remedy, check=check)
    remedy = (
        f"Raise it: {aims}. A short TTL costs queries, and mail while your name servers are down."
    )
    return FollowUp("ttl", title, Shape.TODO, f"{detail}.", remedy, check=check)


def _names(subjects: Sequence[ProofSubject]) -> str:
    return join_names(
        list(dict.fromkeys(subject.name for subject in subjects)) or ["these domains"]
    )


def _first_check(subjects: Sequence[ProofSubject]) -> Check | None:
    return next((s.check for s in subjects if s.check is not None), None)
