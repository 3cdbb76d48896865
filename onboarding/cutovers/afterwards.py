"""What is left to do once mail has moved: from when the old way may be shut, and what else.

Pure over what was fetched, as the readiness is. Nothing here holds a cutover back; what cannot be
told is said to be so and never called done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checks.clocks import LOCKDOWN_MARGIN, Clock
from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from onboarding.cutovers.room_facts import Facts, stance
from onboarding.models import Cutover, Task, TaskState
from onboarding.models.cutovers import named
from onboarding.plans.proof import Subject
from onboarding.plans.rows import Shape

# Where people keep what shows that mail comes in the new way.
MESSAGE_TASKS = ("mx-record-cutover", "inbound-delivery-test")
# Longer than a switch needs, and what most zones have.
USUAL_TTL_SECONDS = 3600


@dataclass(frozen=True)
class Switched:
    """One domain whose inbound mail is to move. `is_own`: in this cutover. `clock` says from when
    the old way may be shut; `ttl_now` is the lowest TTL that a server gives its MX, `ttl_before`
    the highest it had before (0 where nobody saw it)."""

    name: str
    clock: Clock | None
    ttl_now: int | None
    ttl_before: int = 0
    is_own: bool = True

    @property
    def has_moved(self) -> bool:
        return self.clock is not None and self.clock.safe_at is not None


@dataclass(frozen=True)
class Duty:
    """One thing left to do, with where its evidence lies."""

    key: str
    title: str
    shape: Shape
    words: str
    mend: str = ""
    check: Check | None = None
    task: Task | None = None


def has_begun(facts: Facts, domains: Sequence[Switched]) -> bool:
    """From the opening of the window on, or as soon as a domain's clock runs."""
    ran = any(each.has_moved for each in domains if each.is_own)
    return facts.is_open or facts.now >= facts.cutover.planned_at or ran


def afterwards(facts: Facts, domains: Sequence[Switched] = ()) -> list[Duty]:
    """What is left, in the order in which it is done. `domains` are all whose inbound mail is to
    move: the old hosts stay open for as long as one of them needs them."""
    if facts.cutover.direction == Cutover.Direction.OUTBOUND:
        return [_message(facts), _old_senders(facts)]
    return [
        _old_way(facts, domains),
        _message_in(facts, domains),
        _lockdown(facts, domains),
        *_narrower_policy(facts),
        _ttl(facts, [each for each in domains if each.is_own]),
    ]


# --- Outbound


def _message(facts: Facts) -> Duty:
    title = "A test message left through Mimecast"
    asked = [subject for subject in facts.of(Kind.MESSAGE) if subject.check is not None]
    if not asked:
        said = "No selector is on record for these domains, so no message can prove it."
        return Duty("message", title, Shape.UNKNOWN, said, "Enter the selector in the profile.")
    open_ = [subject for subject in asked if not subject.is_proven]
    if not open_:
        said = f"Proved for {_names(asked)} by a signed message."
        return Duty("message", title, Shape.PASS, said, check=asked[0].check)
    said = f"No message of {_names(open_)} has proved it yet."
    mend = "Send one from a mailbox there to an address outside, and show us what arrived."
    return Duty("message", title, Shape.TODO, said, mend, check=open_[0].check)


def _old_senders(facts: Facts) -> Duty:
    title = "Old senders retired from SPF"
    subjects = facts.of(Kind.SPF)
    without = [s for s in subjects if stance(s, facts) is Verdict.FAIL]
    if without:
        said = f"SPF of {_names(without)} does not let Mimecast send."
        mend = "Publish Mimecast's include first, and take out the others after that."
        return Duty("old-senders", title, Shape.FAIL, said, mend, check=_first_check(without))
    told = [(s, others_in(s) if stance(s, facts).is_yes else None) for s in subjects]
    unknown = [s for s, terms in told if terms is None]
    if unknown or not told:
        said = f"What SPF of {_names(unknown)} lets send could not be told."
        return Duty("old-senders", title, Shape.UNKNOWN, said, check=_first_check(unknown))
    left = [(s, terms) for s, terms in told if terms]
    if not left:
        return Duty("old-senders", title, Shape.PASS, "SPF lets nobody send but Mimecast.")
    said = "; ".join(f"{s.name} also lets send {', '.join(terms or ())}" for s, terms in left)
    mend = "Take out what no longer sends, once nothing does. What still sends itself may stay."
    return Duty("old-senders", title, Shape.WAITING, f"{said}.", mend, check=left[0][0].check)


def others_in(subject: Subject) -> list[str] | None:
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


def _old_way(facts: Facts, domains: Sequence[Switched]) -> Duty:
    title = "The old hosts go on taking mail"
    lagging = [each for each in domains if not each.has_moved]
    if not domains or lagging:
        said = f"Not every server gives the new answer for {_or_these(lagging)}, or told one."
        mend = "Until caches of the old answer are gone, mail that reaches the old hosts is yours."
        if lagging and not any(each.is_own for each in lagging):
            mend = "What another cutover moves, or none yet, needs them too: switch nothing off."
        return Duty("old-way", title, Shape.WAITING, said, mend)
    last = max(domains, key=_safe_at(facts))
    gone_at = _safe_at(facts)(last) - LOCKDOWN_MARGIN
    if facts.now < gone_at:
        said = f"Until {facts.say(gone_at)} a cache may lead senders of {last.name} to them."
        mend = "Switch nothing off and close no contract before."
        return Duty("old-way", title, Shape.WAITING, said, mend)
    said = f"No cache may hold the old answer since {facts.say(gone_at)}."
    return Duty("old-way", title, Shape.PASS, said)


def _message_in(facts: Facts, domains: Sequence[Switched]) -> Duty:
    """No look can prove it: a message's Received lines are text, so that this is people's word."""
    title = "A test message came in through Mimecast"
    task = next((facts.tasks[key] for key in MESSAGE_TASKS if key in facts.tasks), None)
    lagging = [each for each in domains if each.is_own and not each.has_moved]
    if facts.messages:
        kept = facts.messages[-1]
        said = (
            f"{kept.uploaded_by or 'Somebody'} kept {kept.name} with its step,"
            f" {facts.say(kept.uploaded_at)}. What a message says of its way is people’s word."
        )
        return Duty("message-in", title, Shape.PASS, said, task=task)
    if lagging:
        said = (
            f"It tells something once every server gives the new answer for {_or_these(lagging)}."
        )
        return Duty("message-in", title, Shape.LOCKED, said, task=task)
    said = "Nobody has shown one since the window opened."
    mend = (
        "Send one from outside to an address of each domain, see that its Received lines name"
        " Mimecast, and keep its source with the step."
    )
    return Duty("message-in", title, Shape.TODO, said, mend, task=task)


def _safe_at(facts: Facts) -> Callable[[Switched], datetime]:
    def of(each: Switched) -> datetime:
        at = each.clock.safe_at if each.clock is not None else None
        return at if at is not None else facts.now

    return of


def _or_these(domains: Sequence[Switched]) -> str:
    return named([each.name for each in domains]) if domains else "these domains"


def _lockdown(facts: Facts, domains: Sequence[Switched]) -> Duty:
    title = "Lockdown, seen from both sides"
    task = facts.tasks.get("connection-lockdown")
    sides = " ".join([_from_outside(facts), _from_mimecast(facts)])
    lagging = [each for each in domains if not each.has_moved]
    if task is not None and (task.is_complete or not task.applies):
        said = f"{_state_of(task)} {sides}"
        mend = _doubt_of_lockdown(task, facts, lagging)
        shape = Shape.CAUTION if mend or task.state == TaskState.ACCEPTED else Shape.PASS
        return Duty("lockdown", title, shape, said, mend, task=task)
    if not domains or lagging:
        said = (
            "From when it is safe cannot be told before every server gives the new answer for"
            f" {_or_these(lagging)}. {sides}"
        )
        return Duty("lockdown", title, Shape.LOCKED, said, task=task)
    safe_at = max(map(_safe_at(facts), domains))
    said = f"Earliest safe lockdown: {facts.say(safe_at)}. {sides}"
    if facts.now < safe_at:
        mend = "Shut before that, mail that still comes the old way is refused."
        return Duty("lockdown", title, Shape.WAITING, said, mend, task=task)
    mend = "Let port 25 answer your region's ranges alone."
    return Duty("lockdown", title, Shape.TODO, said, mend, task=task)


def _doubt_of_lockdown(task: Task, facts: Facts, lagging: Sequence[Switched]) -> str:
    """What speaks against a lockdown that is called done."""
    if not task.applies:
        return ""
    if any(stance(s, facts) is Verdict.FAIL for s in facts.of(Kind.LOCKDOWN)):
        return "Let port 25 answer your region's ranges alone: whoever knows the host goes around."
    if lagging:
        return (
            f"Not every server gives the new answer for {_or_these(lagging)}, or told one: what"
            " still comes the old way may be refused."
        )
    return ""


def _state_of(task: Task) -> str:
    return f"{task.get_state_display()}." if task.applies else "It does not apply here."


def _from_outside(facts: Facts) -> str:
    told = [(s, stance(s, facts)) for s in facts.of(Kind.LOCKDOWN)]
    shut = [s for s, each in told if each is Verdict.PASS]
    ajar = [s for s, each in told if each is Verdict.FAIL]
    if ajar:
        return f"From outside {_names(ajar)} still answers."
    if told and len(shut) == len(told):
        return f"From outside {_names(shut)} is closed."
    return "From outside it could not be told."


def _from_mimecast(facts: Facts) -> str:
    """A host that is down looks closed: somebody among the allowed has to get through too."""
    told = [(s, stance(s, facts)) for s in facts.of(Kind.SMTP)]
    reached = [s for s, each in told if each.is_yes]
    if told and len(reached) == len(told):
        return f"From an allowed place {_names(reached)} answers."
    return "Whether it answers Mimecast could not be told from here: look at mail that arrives."


def _narrower_policy(facts: Facts) -> list[Duty]:
    """RFC 8461, section 3.2: hosts that a policy still permits are a way for the old hosts' names
    to be used again."""
    title = "MTA-STS permits the new hosts alone"
    wide = [(s, hosts) for s in facts.of(Kind.MTA_STS) for hosts in [_beyond(s)] if hosts]
    if not wide:
        return []
    said = "; ".join(f"{s.name} still permits {', '.join(hosts)}" for s, hosts in wide)
    mend = "Once the old way is shut, take them out of the policy and change the record's id."
    return [Duty("mta-sts", title, Shape.TODO, f"{said}.", mend, check=wide[0][0].check)]


def _beyond(subject: Subject) -> list[str]:
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


def _ttl(facts: Facts, domains: Sequence[Switched]) -> Duty:
    title = "TTL raised again"
    unknown = [each for each in domains if each.ttl_now is None]
    low = [each for each in domains if each.ttl_now is not None and each.ttl_now < _aim(each)]
    check = next((s.check for s in facts.of(Kind.MX)), None)
    if unknown or not domains:
        said = f"The TTL of {named([e.name for e in unknown])} could not be told everywhere."
        return Duty("ttl", title, Shape.UNKNOWN, said, check=check)
    if not low:
        return Duty("ttl", title, Shape.PASS, "It is what it was before, or longer.", check=check)
    said = "; ".join(f"{e.name} has {e.ttl_now} s" for e in low)
    aims = "; ".join(f"{e.name} to {_aim(e)} s" for e in low)
    done = facts.tasks.get("connection-lockdown")
    if done is not None and done.applies and not done.is_complete:
        mend = f"After the lockdown: {aims}. Until then a low TTL keeps the way back short."
        return Duty("ttl", title, Shape.WAITING, f"{said}.", mend, check=check)
    mend = f"Raise it: {aims}. A short TTL costs look-ups, and mail when your servers are away."
    return Duty("ttl", title, Shape.TODO, f"{said}.", mend, check=check)


def _aim(each: Switched) -> int:
    """What it was before, and an hour where nobody saw that."""
    return each.ttl_before or USUAL_TTL_SECONDS


# --- Words


def _names(subjects: Sequence[Subject]) -> str:
    return named(list(dict.fromkeys(subject.name for subject in subjects)) or ["these domains"])


def _first_check(subjects: Sequence[Subject]) -> Check | None:
    return next((s.check for s in subjects if s.check is not None), None)
