"""Whether a cutover can go ahead, row by row, and what would make each row green.

Pure over what was fetched: tasks, checks, clocks and the planned moment in, rows out. What could
not be told is UNKNOWN and never green; only a settled no, or a step not done, is red.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from checks.engine.outcomes import Kind, Verdict, worst
from onboarding.cutovers.room_facts import LOOK, STALE, WAIT, Facts, Row, stale_among, stance
from onboarding.cutovers.ttl_row import ttl_row
from onboarding.models import Cutover, Mark, Task, TaskState
from onboarding.plans.proof import Subject

DIRECTORY_TASKS = (
    *("directory-connector", "ldap-connector", "azure-ad-sync", "g-suite-sync"),
    *("mse-agent-push", "manual-import"),
)

# The tasks whose requirements sheets the policies of each direction are made from.
_OUTBOUND_SHEETS = ("forwarding-addresses", "tls-requirements", "branding")
_INBOUND_SHEETS = ("anti-spoofing-exceptions", "global-permitted-senders", "managed-senders")


def readiness(facts: Facts) -> list[Row]:
    """The rows of the cutover's direction, in the order in which they are done."""
    rows = [_ownership(facts), _directory(facts), _routes(facts), _signed(facts)]
    if facts.cutover.direction == Cutover.Direction.OUTBOUND:
        return [*rows, _spf(facts), _dkim(facts), _dmarc(facts)]
    return [
        *rows,
        _delivery_test(facts),
        _mta_sts(facts),
        ttl_row(facts),
        _outbound_first(facts),
    ]


# --- What checks say


@dataclass(frozen=True)
class _Words:
    """How a row speaks; `{names}` are the domains that decide it. `lacking` is what has to be on
    record before anything can be asked, and `enter` who puts it there."""

    title: str
    yes: str
    no: str
    mend: str
    lacking: str = "{names}: nothing is asked of it."
    enter: str = "Give it a role in the profile that mail goes by."


_DOUBT = "It could not be told for {names}: nothing is settled, or the newest look did not agree."


def _names(subjects: Iterable[Subject]) -> str:
    *others, last = list(dict.fromkeys(s.name for s in subjects)) or ["no domain"]
    return f"{', '.join(others)} and {last}" if others else last


def _row_of(key: str, kind: Kind, words: _Words, facts: Facts) -> Row:
    stances = [(subject, stance(subject, facts)) for subject in facts.of(kind)]
    if not stances:
        said = "No domain is on record that this would hold for."
        return Row(key, words.title, Verdict.UNKNOWN, said, "Add the domains to the profile.")
    verdict = worst([each for _, each in stances])
    deciding = [subject for subject, each in stances if each is verdict]
    told, mend = {
        Verdict.FAIL: (words.no, words.mend),
        Verdict.NOT_APPLICABLE: ("It does not apply to {names}.", ""),
        Verdict.WARN: (f"{words.yes} Read the caution beside its evidence.", ""),
    }.get(verdict, (words.yes, ""))
    if verdict is Verdict.UNKNOWN:
        deciding, told, mend = _doubt(deciding, words, facts)
    names = _names(deciding)
    check = next((s.check for s in deciding if s.check is not None), None)
    return Row(
        key,
        words.title,
        verdict,
        told.format(names=names),
        mend.format(names=names),
        check=check,
    )


def _doubt(unknown: list[Subject], words: _Words, facts: Facts) -> tuple[list[Subject], str, str]:
    """What is not known, and what would make it so: first what somebody has to enter, for waiting
    does not help there; then what nobody looks at."""
    unasked = [subject for subject in unknown if subject.check is None]
    if unasked:
        return unasked, words.lacking, words.enter
    names = stale_among(unknown, facts)
    stale = [subject for subject in unknown if subject.name in names]
    return (stale, STALE, LOOK) if stale else (unknown, _DOUBT, WAIT)


def _ownership(facts: Facts) -> Row:
    words = _Words(
        "Ownership proved",
        "{names}: ownership is proved.",
        "{names}: ownership is not proved.",
        "Publish the code that Mimecast issued for {names}.",
        "{names}: no ownership code is on record.",
        "Enter in the profile the code that Mimecast issued for {names}.",
    )
    return _row_of("ownership", Kind.OWNERSHIP, words, facts)


def _spf(facts: Facts) -> Row:
    words = _Words(
        "SPF covers the region",
        "{names}: SPF lets the region's networks send.",
        "{names}: SPF does not let all of the region's networks send.",
        "Publish the merged SPF record for {names}.",
    )
    return _row_of("spf", Kind.SPF, words, facts)


def _mta_sts(facts: Facts) -> Row:
    words = _Words(
        "MTA-STS permits the planned MX",
        "{names}: the policy permits the planned MX hosts.",
        "{names}: senders that enforce the policy would refuse the planned MX hosts.",
        "For {names}, add the planned hosts to the policy, change the record's id, and only then"
        " switch MX.",
    )
    return _row_of("mta-sts", Kind.MTA_STS, words, facts)


def _dkim(facts: Facts) -> Row:
    words = _Words(
        "DKIM ready",
        "{names}: the key answers under its selector.",
        "{names}: the key does not answer as it should.",
        "Publish the key that Mimecast issued for {names}.",
        "{names}: no selector is on record, so mail would leave unsigned.",
        "Enter the selector in the profile, and publish its key.",
    )
    unnamed = [subject for subject in facts.of(Kind.DKIM) if subject.check is None]
    if unnamed and len(unnamed) == len(facts.of(Kind.DKIM)):
        return Row(
            "dkim",
            words.title,
            Verdict.WARN,
            words.lacking.format(names=_names(unnamed)),
            words.enter,
        )
    return _row_of("dkim", Kind.DKIM, words, facts)


def _dmarc(facts: Facts) -> Row:
    """With quarantine or reject, mail that passes neither SPF nor DKIM is lost: both must be proven
    before outbound mail takes the new way (RFC 7489 section 6.3)."""
    title = "DMARC will not refuse your mail"
    subjects = facts.of(Kind.DMARC)
    unsure = [s for s in subjects if _policy_unknown(s, facts)]
    enforcing = [s for s in subjects if s not in unsure and _enforces(s)]
    proven = {kind: _proven(facts.of(kind), facts) for kind in (Kind.SPF, Kind.DKIM)}
    lacking = [s for s in enforcing if not all(s.name in names for names in proven.values())]
    if lacking:
        said = f"{_names(lacking)} quarantines or rejects, and SPF and DKIM are not both proven."
        mend = f"Prove SPF and DKIM for {_names(lacking)}, or set its policy to none until then."
        return Row("dmarc", title, Verdict.FAIL, said, mend, check=lacking[0].check)
    if unsure or not subjects:
        said = f"Which policy holds could not be told for {_names(unsure)}."
        return Row(
            "dmarc", title, Verdict.UNKNOWN, said, WAIT, check=unsure[0].check if unsure else None
        )
    if enforcing:
        said = f"{_names(enforcing)} quarantines or rejects, and SPF and DKIM are both proven."
        return Row("dmarc", title, Verdict.PASS, said, check=enforcing[0].check)
    broken = [s for s in subjects if stance(s, facts) is Verdict.FAIL]
    if broken:
        said = f"{_names(broken)}: the record cannot be used, so no policy is applied."
        mend = "Mend the record, with the policy none until SPF and DKIM are proven."
        return Row("dmarc", title, Verdict.WARN, said, mend, check=broken[0].check)
    said = f"{_names(subjects)}: no policy that quarantines or rejects."
    return Row("dmarc", title, Verdict.PASS, said, check=subjects[0].check)


def _policy_unknown(subject: Subject, facts: Facts) -> bool:
    """Servers that differ may enforce on one side. A broken record that all of them have is known:
    no policy is applied (RFC 7489 section 6.6.3)."""
    told = stance(subject, facts)
    latest = subject.check.latest if subject.check is not None else None
    return told is Verdict.UNKNOWN or (
        told is Verdict.FAIL and (latest is None or not latest.unanimous)
    )


def _enforces(subject: Subject) -> bool:
    latest = subject.check.latest if subject.check is not None else None
    return latest is not None and any(f["code"] == "dmarc.enforces" for f in latest.findings)


def _proven(subjects: Sequence[Subject], facts: Facts) -> set[str]:
    return {s.name for s in subjects if stance(s, facts).is_yes}


# --- What tasks say


_VERDICT_OF_STATE = {
    TaskState.PROVEN: Verdict.PASS,
    TaskState.DONE: Verdict.PASS,
    TaskState.ACCEPTED: Verdict.WARN,
    TaskState.DECLINED: Verdict.WARN,
    TaskState.CLAIMED: Verdict.UNKNOWN,
    TaskState.NOT_APPLICABLE: Verdict.NOT_APPLICABLE,
}


def _verdict_of(task: Task) -> Verdict:
    if not task.applies or (task.is_optional and not task.holds_up and not task.is_complete):
        return Verdict.NOT_APPLICABLE
    return _VERDICT_OF_STATE.get(TaskState(task.state), Verdict.FAIL)


def _tasks_row(key: str, title: str, tasks: Iterable[Task], mend: str) -> Row:
    judged = [(task, _verdict_of(task)) for task in tasks if not task.is_group]
    counted = [(task, each) for task, each in judged if each is not Verdict.NOT_APPLICABLE]
    if not counted:
        said = "No step of the plan that applies here asks for it."
        return Row(key, title, Verdict.NOT_APPLICABLE, said)
    verdict = worst([each for _, each in counted])
    task = next(task for task, each in counted if each is verdict)
    said = f"{task.title}: {task.get_state_display().lower()}."
    return Row(key, title, verdict, said, "" if verdict.is_yes else mend, task=task)


def _chosen(facts: Facts, *keys: str) -> Iterator[Task]:
    return (facts.tasks[key] for key in keys if key in facts.tasks)


def _directory(facts: Facts) -> Row:
    mend = "Finish the first synchronisation, and compare the number of users with your directory."
    tasks = _chosen(facts, *DIRECTORY_TASKS)
    return _tasks_row("directory", "Directory synchronised", tasks, mend)


def _routes(facts: Facts) -> Row:
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    title = "Bounces can come back" if is_outbound else "Delivery routes answer"
    mend = "Test every delivery route from the console, and repair what does not answer."
    return _tasks_row("routes", title, _chosen(facts, "inbound-delivery-routes"), mend)


def _signed(facts: Facts) -> Row:
    """What the cutover is configured from: no policy is better than the list behind it."""
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    keys = _OUTBOUND_SHEETS if is_outbound else _INBOUND_SHEETS
    mend = "Each side signs its requirements sheet off, an empty one too."
    return _tasks_row("signed", "Requirements signed off", _chosen(facts, *keys), mend)


def _delivery_test(facts: Facts) -> Row:
    mend = "Send test mail through Mimecast to each route, and read the headers of what arrives."
    tasks = _chosen(facts, "inbound-delivery-test")
    return _tasks_row("delivery-test", "Inbound delivery tested", tasks, mend)


def _outbound_first(facts: Facts) -> Row:
    """Mimecast learns trusted senders from outbound mail, so that goes first, by some days."""
    title = "Outbound has run long enough"
    task = facts.tasks.get("outbound-cutover")
    days = facts.cutover.outbound_days
    if task is None or _verdict_of(task) is Verdict.NOT_APPLICABLE:
        return _tasks_row("outbound", title, [task] if task else [], "")
    if facts.outbound_since is None and not _verdict_of(task).is_yes:
        mend = f"Do the outbound cutover first, and let it run for {days} days."
        return _tasks_row("outbound", title, [task], mend)
    wait = next((t for t in facts.tasks.values() if t.waits_after == task.key), None)
    if wait is not None and wait.state == TaskState.ACCEPTED:
        said = f"Fewer days were accepted: “{wait.mark_because}”"
        return Row("outbound", title, Verdict.WARN, said, task=wait)
    if wait is not None and wait.mark == Mark.SET_ASIDE:
        said = f"The days were set aside: “{wait.mark_because}”"
        return Row("outbound", title, Verdict.WARN, said, task=wait)
    counted = wait.waits_since if wait is not None else None
    since = facts.outbound_since or counted or task.proven_at or task.state_since
    ready_at = since + timedelta(days=days)
    said = f"Outbound mail has left through Mimecast since {facts.say(since)}; agreed: {days} days."
    if facts.cutover.planned_at >= ready_at:
        return Row("outbound", title, Verdict.PASS, said, task=task)
    mend = f"Begin the window on {facts.say(ready_at)} or later, or agree on fewer days."
    return Row("outbound", title, Verdict.FAIL, said, mend, task=task)
