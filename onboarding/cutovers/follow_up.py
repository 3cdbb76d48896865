"""What is left to do once mail has moved: from when the old way may be shut, and what else.

Pure over what was fetched, as the readiness is. Nothing here holds a cutover back; what cannot be
told is detail to be so and never called done.
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
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import Shape

# Where people keep what shows that mail comes in the new way.
MESSAGE_ROLES = (TaskRole.SWITCHES_INBOUND, TaskRole.DELIVERY_TEST)
# Longer than a switch needs, and what most zones have.
DEFAULT_TTL_SECONDS = 3600


@dataclass(frozen=True)
class DomainSwitch:
    """One domain whose inbound mail is to move. `is_own`: in this cutover. `safe_time` says from when
    the old way may be shut; `ttl_now` is the lowest TTL that a server gives its MX, `original_mx_ttl_seconds`
    the highest it had before (0 where nobody saw it)."""

    name: str
    safe_time: SafeTime | None
    ttl_now: int | None
    original_mx_ttl_seconds: int = 0
    is_own: bool = True

    @property
    def has_switched(self) -> bool:
        return self.safe_time is not None and self.safe_time.safe_at is not None


@dataclass(frozen=True)
class FollowUp:
    """One thing left to do, with where its evidence lies."""

    key: str
    title: str
    shape: Shape
    detail: str
    remedy: str = ""
    check: Check | None = None
    task: Task | None = None


def has_started(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> bool:
    """From the opening of the window on, or as soon as a domain's safe time is known."""
    ran = any(each.has_switched for each in domains if each.is_own)
    return facts.is_open or facts.now >= facts.cutover.planned_at or ran


def follow_ups(facts: ReadinessFacts, domains: Sequence[DomainSwitch] = ()) -> list[FollowUp]:
    """What is left, in the order in which it is done. `domains` are all whose inbound mail is to
    move: the old hosts stay open for as long as one of them needs them."""
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
    asked = [
        subject for subject in facts.subjects_of(CheckKind.MESSAGE) if subject.check is not None
    ]
    if not asked:
        detail = "No selector is on record for these domains, so no message can prove it."
        return FollowUp(
            "message", title, Shape.UNKNOWN, detail, "Enter the selector in the profile."
        )
    open_ = [subject for subject in asked if not subject.is_verified]
    if not open_:
        detail = f"Proved for {_names(asked)} by a signed message."
        return FollowUp("message", title, Shape.PASS, detail, check=asked[0].check)
    detail = f"No message of {_names(open_)} has proved it yet."
    remedy = "Send one from a mailbox there to an address outside, and show us what arrived."
    return FollowUp("message", title, Shape.TODO, detail, remedy, check=open_[0].check)


def _old_senders(facts: ReadinessFacts) -> FollowUp:
    title = "Old senders retired from SPF"
    subjects = facts.subjects_of(CheckKind.SPF)
    without = [s for s in subjects if current_verdict(s, facts) is Verdict.FAIL]
    if without:
        detail = f"SPF of {_names(without)} does not let Mimecast send."
        remedy = "Publish Mimecast's include first, and take out the others after that."
        return FollowUp(
            "old-senders", title, Shape.FAIL, detail, remedy, check=_first_check(without)
        )
    told = [(s, others_in(s) if current_verdict(s, facts).is_passing else None) for s in subjects]
    unknown = [s for s, terms in told if terms is None]
    if unknown or not told:
        detail = f"What SPF of {_names(unknown)} lets send could not be told."
        return FollowUp("old-senders", title, Shape.UNKNOWN, detail, check=_first_check(unknown))
    left = [(s, terms) for s, terms in told if terms]
    if not left:
        return FollowUp("old-senders", title, Shape.PASS, "SPF lets nobody send but Mimecast.")
    detail = "; ".join(f"{s.name} also lets send {', '.join(terms or ())}" for s, terms in left)
    remedy = "Take out what no longer sends, once nothing does. What still sends itself may stay."
    return FollowUp(
        "old-senders", title, Shape.WAITING, f"{detail}.", remedy, check=left[0][0].check
    )


def others_in(subject: ProofSubject) -> list[str] | None:
    """What an SPF record authorises beside the region's include; None where it cannot be told."""
    latest = subject.check.latest if subject.check is not None else None
    if latest is None or not latest.unanimous:
        return None
    record = str(latest.evidence.get("record", ""))
    include = str(latest.evidence.get("include", "")).lower()
    if not record or not include:
        return None
    return [term for term in record.split()[1:] if _authorises(term, include)]


def _authorises(term: str, include: str) -> bool:
    """RFC 7208, sections 4.6.2, 5 and 6.1: of the terms, those that let somebody else pass."""
    plain = term.lower().removeprefix("+")
    if plain.startswith("redirect="):
        return True
    is_modifier = "=" in plain.partition(":")[0].partition("/")[0]
    return not (is_modifier or plain.startswith(("-", "~", "?")) or plain == f"include:{include}")


# --- Inbound


def _old_hosts(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    title = "The old hosts go on taking mail"
    lagging = [each for each in domains if not each.has_switched]
    if not domains or lagging:
        detail = (
            f"Not every server gives the new answer for {_names_or_default(lagging)}, or told one."
        )
        remedy = (
            "Until caches of the old answer are gone, mail that reaches the old hosts is yours."
        )
        if lagging and not any(each.is_own for each in lagging):
            remedy = "What another cutover moves, or none yet, needs them too: switch nothing off."
        return FollowUp("old-hosts", title, Shape.WAITING, detail, remedy)
    last = max(domains, key=_safe_at(facts))
    expires_at = _safe_at(facts)(last) - LOCKDOWN_MARGIN
    if facts.now < expires_at:
        detail = f"Until {facts.format_time(expires_at)} a cache may lead senders of {last.name} to them."
        remedy = "Switch nothing off and close no contract before."
        return FollowUp("old-hosts", title, Shape.WAITING, detail, remedy)
    detail = f"No cache may hold the old answer since {facts.format_time(expires_at)}."
    return FollowUp("old-hosts", title, Shape.PASS, detail)


def _message_in(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    """No look can prove it: a message's Received lines are text, so that this is people's word."""
    title = "A test message came in through Mimecast"
    task = next(iter(facts.tasks_with_role(*MESSAGE_ROLES)), None)
    lagging = [each for each in domains if each.is_own and not each.has_switched]
    if facts.uploaded_messages:
        kept = facts.uploaded_messages[-1]
        detail = (
            f"{kept.uploaded_by or 'Somebody'} kept {kept.name} with its step,"
            f" {facts.format_time(kept.uploaded_at)}. What a message says of its way is people’s word."
        )
        return FollowUp("message-in", title, Shape.PASS, detail, task=task)
    if lagging:
        detail = f"It tells something once every server gives the new answer for {_names_or_default(lagging)}."
        return FollowUp("message-in", title, Shape.LOCKED, detail, task=task)
    detail = "Nobody has shown one since the window opened."
    remedy = (
        "Send one from outside to an address of each domain, see that its Received lines name"
        " Mimecast, and keep its source with the step."
    )
    return FollowUp("message-in", title, Shape.TODO, detail, remedy, task=task)


def _safe_at(facts: ReadinessFacts) -> Callable[[DomainSwitch], datetime]:
    def of(each: DomainSwitch) -> datetime:
        at = each.safe_time.safe_at if each.safe_time is not None else None
        return at if at is not None else facts.now

    return of


def _names_or_default(domains: Sequence[DomainSwitch]) -> str:
    return join_names([each.name for each in domains]) if domains else "these domains"


def _lockdown(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    title = "Lockdown, seen from both sides"
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
            "From when it is safe cannot be told before every server gives the new answer for"
            f" {_names_or_default(lagging)}. {sides}"
        )
        return FollowUp("lockdown", title, Shape.LOCKED, detail, task=task)
    safe_at = max(map(_safe_at(facts), domains))
    detail = f"Earliest safe lockdown: {facts.format_time(safe_at)}. {sides}"
    if facts.now < safe_at:
        remedy = "Shut before that, mail that still comes the old way is refused."
        return FollowUp("lockdown", title, Shape.WAITING, detail, remedy, task=task)
    remedy = "Let port 25 answer your region's ranges alone."
    return FollowUp("lockdown", title, Shape.TODO, detail, remedy, task=task)


def _lockdown_caution(task: Task, facts: ReadinessFacts, lagging: Sequence[DomainSwitch]) -> str:
    """What speaks against a lockdown that is called done."""
    if not task.applies:
        return ""
    if any(
        current_verdict(s, facts) is Verdict.FAIL for s in facts.subjects_of(CheckKind.LOCKDOWN)
    ):
        return "Let port 25 answer your region's ranges alone: whoever knows the host goes around."
    if lagging:
        return (
            f"Not every server gives the new answer for {_names_or_default(lagging)}, or told one: what"
            " still comes the old way may be refused."
        )
    return ""


def _status_of(task: Task) -> str:
    return f"{task.get_status_display()}." if task.applies else "It does not apply here."


def _from_outside(facts: ReadinessFacts) -> str:
    told = [(s, current_verdict(s, facts)) for s in facts.subjects_of(CheckKind.LOCKDOWN)]
    shut = [s for s, each in told if each is Verdict.PASS]
    ajar = [s for s, each in told if each is Verdict.FAIL]
    if ajar:
        return f"From outside {_names(ajar)} still answers."
    if told and len(shut) == len(told):
        return f"From outside {_names(shut)} is closed."
    return "From outside it could not be told."


def _from_mimecast(facts: ReadinessFacts) -> str:
    """A host that is down looks closed: somebody among the allowed has to get through too."""
    told = [(s, current_verdict(s, facts)) for s in facts.subjects_of(CheckKind.SMTP)]
    reached = [s for s, each in told if each.is_passing]
    if told and len(reached) == len(told):
        return f"From an allowed place {_names(reached)} answers."
    return "Whether it answers Mimecast could not be told from here: look at mail that arrives."


def _narrower_policy(facts: ReadinessFacts) -> list[FollowUp]:
    """RFC 8461, section 3.2: hosts that a policy still permits are a way for the old hosts' names
    to be used again."""
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
    remedy = "Once the old way is shut, take them out of the policy and change the record's id."
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
    """One label stands for the star (RFC 8461, section 4.1)."""
    return pattern.startswith("*.") and any(h.partition(".")[2] == pattern[2:] for h in hosts)


def _ttl(facts: ReadinessFacts, domains: Sequence[DomainSwitch]) -> FollowUp:
    title = "TTL raised again"
    unknown = [each for each in domains if each.ttl_now is None]
    low = [
        each for each in domains if each.ttl_now is not None and each.ttl_now < _target_ttl(each)
    ]
    check = next((s.check for s in facts.subjects_of(CheckKind.MX)), None)
    if unknown or not domains:
        detail = f"The TTL of {join_names([e.name for e in unknown])} could not be told everywhere."
        return FollowUp("ttl", title, Shape.UNKNOWN, detail, check=check)
    if not low:
        return FollowUp(
            "ttl", title, Shape.PASS, "It is what it was before, or longer.", check=check
        )
    detail = "; ".join(f"{e.name} has {e.ttl_now} s" for e in low)
    aims = "; ".join(f"{e.name} to {_target_ttl(e)} s" for e in low)
    done = facts.task(TaskRole.LOCKDOWN)
    if done is not None and done.applies and not done.is_complete:
        remedy = f"After the lockdown: {aims}. Until then a low TTL keeps the way back short."
        return FollowUp("ttl", title, Shape.WAITING, f"{detail}.", remedy, check=check)
    remedy = f"Raise it: {aims}. A short TTL costs look-ups, and mail when your servers are away."
    return FollowUp("ttl", title, Shape.TODO, f"{detail}.", remedy, check=check)


def _target_ttl(each: DomainSwitch) -> int:
    """What it was before, and an hour where nobody saw that."""
    return each.original_mx_ttl_seconds or DEFAULT_TTL_SECONDS


# --- Words


def _names(subjects: Sequence[ProofSubject]) -> str:
    return join_names(
        list(dict.fromkeys(subject.name for subject in subjects)) or ["these domains"]
    )


def _first_check(subjects: Sequence[ProofSubject]) -> Check | None:
    return next((s.check for s in subjects if s.check is not None), None)
