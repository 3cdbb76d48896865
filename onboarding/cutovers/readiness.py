"""What a cutover's room judges by: its facts, the rows that come of them, and what stands now."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.outcomes import CheckKind, Verdict, worst
from checks.models import Check
from checks.safe_times import SafeTime
from onboarding.cutovers.windows import KINDS_OF_DIRECTION
from onboarding.models import Cutover, EvidenceFile, ManualStatus, Task, TaskRole, TaskStatus
from onboarding.models.cutovers import join_names
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import SHAPE_OF_VERDICT, Shape
from onboarding.plans.roles import task_with_role, tasks_with_role

# A look is due within a day at the latest; an older one means that nobody is looking.
STALE_AFTER = timedelta(hours=25)


# In an open window looks are seconds apart, and an answer of before is no answer.
STALE_IN_WINDOW = timedelta(minutes=10)


# What is said of what is not known, and what would make it so.
WAIT_REMEDY = "We go on looking. Check everything now if you cannot wait."


STALE_DETAIL = "Nobody has looked at {names} lately, so what was seen does not count as of now."


CHECK_NOW_REMEDY = (
    "Check everything now. If nothing comes of that, Gangway’s workers are not running."
)


@dataclass(frozen=True)
class ReadinessRow:
    """One condition of a cutover. `remedy` is what would make it green; `check` and `task` are where
    its evidence lies."""

    key: str
    title: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    check: Check | None = None
    task: Task | None = None

    @property
    def shape(self) -> Shape:
        return SHAPE_OF_VERDICT[self.verdict]

    @property
    def is_blocking(self) -> bool:
        return self.verdict in (Verdict.FAIL, Verdict.UNKNOWN)


@dataclass(frozen=True)
class ReadinessFacts:
    """All that readiness rests on. `safe_times` are the domains' own, from when a switch is safe."""

    cutover: Cutover
    tasks: Mapping[str, Task]
    subjects: Mapping[CheckKind, Sequence[ProofSubject]]
    safe_times: Sequence[tuple[str, SafeTime]]
    zone: zoneinfo.ZoneInfo
    now: datetime
    is_open: bool = False
    # Since when all of these domains' mail leaves through Mimecast, where that is known of each.
    outbound_since: datetime | None = None
    # Messages that people kept with the switch since its window opened, the newest last.
    uploaded_messages: Sequence[EvidenceFile] = ()

    def task(self, role: TaskRole) -> Task | None:
        return task_with_role(self.tasks.values(), role)

    def tasks_with_role(self, *roles: TaskRole) -> list[Task]:
        return tasks_with_role(self.tasks.values(), *roles)

    def subjects_of(self, kind: CheckKind) -> Sequence[ProofSubject]:
        return self.subjects.get(kind, ())

    def format_time(self, at: datetime) -> str:
        """A moment as people of the tenant read it: Tue 1 Dec 20:35 EST."""
        local = at.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def is_stale(check: Check, facts: ReadinessFacts) -> bool:
    """Whether what was seen last is too old to stand for now. In an open window only what this
    direction switches is looked at every few seconds; the rest keeps its pace."""
    direction = Cutover.Direction(facts.cutover.direction)
    is_close = facts.is_open and check.kind in KINDS_OF_DIRECTION[direction]
    after = STALE_IN_WINDOW if is_close else STALE_AFTER
    return check.checked_at is None or facts.now - check.checked_at > after


def stale_names(subjects: Iterable[ProofSubject], facts: ReadinessFacts) -> set[str]:
    """Which of those that were looked at were not so lately."""
    seen = [s for s in subjects if s.check is not None and s.check.checked_at is not None]
    return {s.name for s in seen if s.check is not None and is_stale(s.check, facts)}


def current_verdict(subject: ProofSubject, facts: ReadinessFacts) -> Verdict:
    """What stands of one subject now. A settled answer that does not hold the cutover back has to
    be what the newest look says too, and that has to be of late; else it is no longer known."""
    check = subject.check
    if check is None or check.latest is None or check.checked_at is None:
        return Verdict.UNKNOWN
    settled = subject.settled
    if settled is None or settled is Verdict.FAIL:
        return settled or Verdict.UNKNOWN
    if is_stale(check, facts):
        return Verdict.UNKNOWN
    newest = Verdict(check.latest.verdict)
    is_said_again = newest.is_passing if settled.is_passing else newest is settled
    return settled if is_said_again else Verdict.UNKNOWN


SafeTimes = Sequence[tuple[str, SafeTime]]


def pending_switches(safe_times: SafeTimes) -> list[tuple[str, SafeTime]]:
    """Those of domains that have not moved: of the others there is nothing left to wait for."""
    return [(domain, safe_time) for domain, safe_time in safe_times if not safe_time.is_moved]


def earliest_safe_time(safe_times: SafeTimes) -> datetime | None:
    """From when every switch that is left is safe; None while that cannot be told for one of them,
    or none is left."""
    ahead = pending_switches(safe_times)
    moments = [safe_time.safe_at for _, safe_time in ahead if safe_time.safe_at is not None]
    return max(moments) if moments and len(moments) == len(ahead) else None


def ttl_row(facts: ReadinessFacts) -> ReadinessRow:
    title = "TTL lowered and the old TTL run out"
    ahead = pending_switches(facts.safe_times)
    waiting = [(domain, safe_time) for domain, safe_time in ahead if safe_time.safe_at is None]
    check = _deciding_check(facts, waiting or ahead)
    if facts.subjects_of(CheckKind.MX) and not facts.subjects_of(CheckKind.MX_TTL):
        detail = "Lowering the TTL is asked of none of these domains: caches keep what they hold."
        remedy = "Keep the old hosts taking mail until the last cache is gone."
        return ReadinessRow("ttl", title, Verdict.WARN, detail, remedy)
    if not facts.safe_times:
        detail = "No domain's TTL has been looked at yet."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, WAIT_REMEDY)
    if not ahead:
        detail = "Every domain has moved: there is no switch left to wait for."
        return ReadinessRow("ttl", title, Verdict.PASS, detail)
    if waiting:
        return _unknown_row(title, waiting, facts, check)
    domain, safe_time = max(ahead, key=lambda pair: pair[1].safe_at or facts.now)
    assert safe_time.safe_at is not None
    detail = f"Earliest safe cutover: {facts.format_time(safe_time.safe_at)}, because {_explanation(domain, safe_time, facts)}."
    left_out = _not_asked(facts)
    if facts.cutover.planned_at >= safe_time.safe_at and left_out:
        detail = (
            f"{detail} Of {join_names(left_out)} no lower TTL is asked: caches keep what they hold."
        )
        remedy = "Keep its old hosts taking mail until the last cache is gone."
        return ReadinessRow("ttl", title, Verdict.WARN, detail, remedy, check=check)
    if facts.cutover.planned_at >= safe_time.safe_at:
        return ReadinessRow("ttl", title, Verdict.PASS, detail, check=check)
    remedy = "Begin the window at that moment or later."
    return ReadinessRow("ttl", title, Verdict.FAIL, detail, remedy, check=check)


def _not_asked(facts: ReadinessFacts) -> list[str]:
    """Domains that switch and were exempted from lowering their TTL: no safe time covers them."""
    asked = {subject.name for subject in facts.subjects_of(CheckKind.MX_TTL)}
    return [
        subject.name for subject in facts.subjects_of(CheckKind.MX) if subject.name not in asked
    ]


def _deciding_check(facts: ReadinessFacts, safe_times: SafeTimes) -> Check | None:
    name = max(safe_times, key=lambda pair: pair[1].safe_at or facts.now)[0] if safe_times else ""
    return next((s.check for s in facts.subjects_of(CheckKind.MX_TTL) if s.name == name), None)


def _unknown_row(
    title: str, waiting: SafeTimes, facts: ReadinessFacts, check: Check | None
) -> ReadinessRow:
    lagging = sorted(
        {
            n
            for _, c in waiting
            for n in c.pending_servers
            if n not in {*c.silent_servers, *c.empty_servers}
        }
    )
    empty = sorted({name for _, safe_time in waiting for name in safe_time.empty_servers})
    silent = sorted({name for _, safe_time in waiting for name in safe_time.silent_servers})
    domains = ", ".join(domain for domain, _ in waiting)
    if lagging:
        give = "gives" if len(lagging) == 1 else "give"
        detail = f"{domains}: {', '.join(lagging)} still {give} out a TTL above the threshold."
        remedy = (
            "Lower the TTL of the MX records there. The clock starts when the last server has it."
        )
        return ReadinessRow("ttl", title, Verdict.FAIL, detail, remedy, check=check)
    if empty:
        detail = (
            f"{domains}: it cannot be told while {', '.join(empty)} {_have(empty)} no MX records."
        )
        remedy = "A zone that is being loaded comes back by itself. If it does not, load it there."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, remedy, check=check)
    if silent:
        are = "is" if len(silent) == 1 else "are"
        detail = f"{domains}: it cannot be told while {', '.join(silent)} {are} silent."
        remedy = "Nothing is called safe until every server has answered."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, remedy, check=check)
    ttls = [
        s
        for s in facts.subjects_of(CheckKind.MX_TTL)
        if s.name in {domain for domain, _ in waiting}
    ]
    stale = stale_names(ttls, facts)
    if stale:
        detail = STALE_DETAIL.format(names=join_names(sorted(stale)))
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, CHECK_NOW_REMEDY, check=check)
    detail = f"{domains}: it cannot be told yet from when a switch is safe."
    return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, WAIT_REMEDY, check=check)


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _explanation(domain: str, safe_time: SafeTime, facts: ReadinessFacts) -> str:
    if safe_time.is_assumed:
        return (
            f"what {domain} published before our first look is not known,"
            f" so a TTL of {safe_time.ttl} s is assumed"
        )
    until = (
        facts.format_time(safe_time.seen_until)
        if safe_time.seen_until is not None
        else "an unknown moment"
    )
    left = (
        "; it has left the delegation, which caches keep for two days" if safe_time.has_left else ""
    )
    return f"{safe_time.server} gave out {safe_time.ttl} s for {domain} until {until}{left}"


# The tasks whose requirements sheets the policies of each direction are made from.
_OUTBOUND_SHEETS = (
    TaskRole.GATHERS_FORWARDING,
    TaskRole.GATHERS_TLS_PARTNERS,
    TaskRole.GATHERS_BRANDING,
)


_INBOUND_SHEETS = (
    TaskRole.GATHERS_SPOOFING_EXCEPTIONS,
    TaskRole.GATHERS_GLOBAL_SENDERS,
    TaskRole.GATHERS_MANAGED_SENDERS,
)


def readiness_rows(facts: ReadinessFacts) -> list[ReadinessRow]:
    """The rows of the cutover's direction, in the order in which they are done."""
    rows = [_ownership(facts), _directory(facts), _routes(facts), _sign_offs(facts)]
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
class _RowText:
    """How a row speaks; `{names}` are the domains that decide it. `missing_text` is what has to be on
    record before anything can be asked, and `missing_remedy` who puts it there."""

    title: str
    pass_text: str
    fail_text: str
    remedy: str
    missing_text: str = "{names}: nothing is asked of it."
    missing_remedy: str = "Give it a role in the profile that mail goes by."


_UNKNOWN_DETAIL = (
    "It could not be told for {names}: nothing is settled, or the newest look did not agree."
)


def _names(subjects: Iterable[ProofSubject]) -> str:
    *others, last = list(dict.fromkeys(s.name for s in subjects)) or ["no domain"]
    return f"{', '.join(others)} and {last}" if others else last


def _row_of(key: str, kind: CheckKind, text: _RowText, facts: ReadinessFacts) -> ReadinessRow:
    verdicts = [(subject, current_verdict(subject, facts)) for subject in facts.subjects_of(kind)]
    if not verdicts:
        detail = "No domain is on record that this would hold for."
        return ReadinessRow(
            key, text.title, Verdict.UNKNOWN, detail, "Add the domains to the profile."
        )
    verdict = worst([each for _, each in verdicts])
    deciding = [subject for subject, each in verdicts if each is verdict]
    detail, remedy = {
        Verdict.FAIL: (text.fail_text, text.remedy),
        Verdict.NOT_APPLICABLE: ("It does not apply to {names}.", ""),
        Verdict.WARN: (f"{text.pass_text} Read the caution beside its evidence.", ""),
    }.get(verdict, (text.pass_text, ""))
    if verdict is Verdict.UNKNOWN:
        deciding, detail, remedy = _unknown_detail(deciding, text, facts)
    names = _names(deciding)
    check = next((s.check for s in deciding if s.check is not None), None)
    return ReadinessRow(
        key,
        text.title,
        verdict,
        detail.format(names=names),
        remedy.format(names=names),
        check=check,
    )


def _unknown_detail(
    unknown: list[ProofSubject], text: _RowText, facts: ReadinessFacts
) -> tuple[list[ProofSubject], str, str]:
    """What is not known, and what would make it so: first what somebody has to enter, for waiting
    does not help there; then what nobody looks at."""
    unasked = [subject for subject in unknown if subject.check is None]
    if unasked:
        return unasked, text.missing_text, text.missing_remedy
    names = stale_names(unknown, facts)
    stale = [subject for subject in unknown if subject.name in names]
    return (
        (stale, STALE_DETAIL, CHECK_NOW_REMEDY)
        if stale
        else (unknown, _UNKNOWN_DETAIL, WAIT_REMEDY)
    )


def _ownership(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "Ownership proved",
        "{names}: ownership is proved.",
        "{names}: ownership is not proved.",
        "Publish the code that Mimecast issued for {names}.",
        "{names}: no ownership code is on record.",
        "Enter in the profile the code that Mimecast issued for {names}.",
    )
    return _row_of("ownership", CheckKind.OWNERSHIP, text, facts)


def _spf(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "SPF covers the region",
        "{names}: SPF lets the region's networks send.",
        "{names}: SPF does not let all of the region's networks send.",
        "Publish the merged SPF record for {names}.",
    )
    return _row_of("spf", CheckKind.SPF, text, facts)


def _mta_sts(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "MTA-STS permits the planned MX",
        "{names}: the policy permits the planned MX hosts.",
        "{names}: senders that enforce the policy would refuse the planned MX hosts.",
        "For {names}, add the planned hosts to the policy, change the record's id, and only then"
        " switch MX.",
    )
    return _row_of("mta-sts", CheckKind.MTA_STS, text, facts)


def _dkim(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "DKIM ready",
        "{names}: the key answers under its selector.",
        "{names}: the key does not answer as it should.",
        "Publish the key that Mimecast issued for {names}.",
        "{names}: no selector is on record, so mail would leave unsigned.",
        "Enter the selector in the profile, and publish its key.",
    )
    unnamed = [subject for subject in facts.subjects_of(CheckKind.DKIM) if subject.check is None]
    if unnamed and len(unnamed) == len(facts.subjects_of(CheckKind.DKIM)):
        return ReadinessRow(
            "dkim",
            text.title,
            Verdict.WARN,
            text.missing_text.format(names=_names(unnamed)),
            text.missing_remedy,
        )
    return _row_of("dkim", CheckKind.DKIM, text, facts)


def _dmarc(facts: ReadinessFacts) -> ReadinessRow:
    """With quarantine or reject, mail that passes neither SPF nor DKIM is lost: both must be proven
    before outbound mail takes the new way (RFC 7489 section 6.3)."""
    title = "DMARC will not refuse your mail"
    subjects = facts.subjects_of(CheckKind.DMARC)
    unsure = [s for s in subjects if _policy_unknown(s, facts)]
    enforcing = [s for s in subjects if s not in unsure and _enforces(s)]
    verified = {
        kind: _verified(facts.subjects_of(kind), facts) for kind in (CheckKind.SPF, CheckKind.DKIM)
    }
    lacking = [s for s in enforcing if not all(s.name in names for names in verified.values())]
    if lacking:
        detail = f"{_names(lacking)} quarantines or rejects, and SPF and DKIM are not both proven."
        remedy = f"Prove SPF and DKIM for {_names(lacking)}, or set its policy to none until then."
        return ReadinessRow("dmarc", title, Verdict.FAIL, detail, remedy, check=lacking[0].check)
    if unsure or not subjects:
        detail = f"Which policy holds could not be told for {_names(unsure)}."
        return ReadinessRow(
            "dmarc",
            title,
            Verdict.UNKNOWN,
            detail,
            WAIT_REMEDY,
            check=unsure[0].check if unsure else None,
        )
    if enforcing:
        detail = f"{_names(enforcing)} quarantines or rejects, and SPF and DKIM are both proven."
        return ReadinessRow("dmarc", title, Verdict.PASS, detail, check=enforcing[0].check)
    invalid = [s for s in subjects if current_verdict(s, facts) is Verdict.FAIL]
    if invalid:
        detail = f"{_names(invalid)}: the record cannot be used, so no policy is applied."
        remedy = "Mend the record, with the policy none until SPF and DKIM are proven."
        return ReadinessRow("dmarc", title, Verdict.WARN, detail, remedy, check=invalid[0].check)
    detail = f"{_names(subjects)}: no policy that quarantines or rejects."
    return ReadinessRow("dmarc", title, Verdict.PASS, detail, check=subjects[0].check)


def _policy_unknown(subject: ProofSubject, facts: ReadinessFacts) -> bool:
    """Servers that differ may enforce on one side. A broken record that all of them have is known:
    no policy is applied (RFC 7489 section 6.6.3)."""
    told = current_verdict(subject, facts)
    latest = subject.check.latest if subject.check is not None else None
    return told is Verdict.UNKNOWN or (
        told is Verdict.FAIL and (latest is None or not latest.unanimous)
    )


def _enforces(subject: ProofSubject) -> bool:
    latest = subject.check.latest if subject.check is not None else None
    return latest is not None and any(f["code"] == "dmarc.enforces" for f in latest.findings)


def _verified(subjects: Sequence[ProofSubject], facts: ReadinessFacts) -> set[str]:
    return {s.name for s in subjects if current_verdict(s, facts).is_passing}


# --- What tasks say


_VERDICT_BY_STATUS = {
    TaskStatus.VERIFIED: Verdict.PASS,
    TaskStatus.DONE: Verdict.PASS,
    TaskStatus.ACCEPTED_RISK: Verdict.WARN,
    TaskStatus.DECLINED: Verdict.WARN,
    TaskStatus.AWAITING_VERIFICATION: Verdict.UNKNOWN,
    TaskStatus.NOT_APPLICABLE: Verdict.NOT_APPLICABLE,
}


def _verdict_of(task: Task) -> Verdict:
    if not task.applies or (
        task.is_optional and not task.blocks_dependents and not task.is_complete
    ):
        return Verdict.NOT_APPLICABLE
    return _VERDICT_BY_STATUS.get(TaskStatus(task.status), Verdict.FAIL)


def _tasks_row(key: str, title: str, tasks: Iterable[Task], remedy: str) -> ReadinessRow:
    judged = [(task, _verdict_of(task)) for task in tasks if not task.is_group]
    counted = [(task, each) for task, each in judged if each is not Verdict.NOT_APPLICABLE]
    if not counted:
        detail = "No step of the plan that applies here asks for it."
        return ReadinessRow(key, title, Verdict.NOT_APPLICABLE, detail)
    verdict = worst([each for _, each in counted])
    task = next(task for task, each in counted if each is verdict)
    detail = f"{task.title}: {task.get_status_display().lower()}."
    return ReadinessRow(
        key, title, verdict, detail, "" if verdict.is_passing else remedy, task=task
    )


def _directory(facts: ReadinessFacts) -> ReadinessRow:
    remedy = (
        "Finish the first synchronisation, and compare the number of users with your directory."
    )
    tasks = facts.tasks_with_role(TaskRole.DIRECTORY)
    return _tasks_row("directory", "Directory synchronised", tasks, remedy)


def _routes(facts: ReadinessFacts) -> ReadinessRow:
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    title = "Bounces can come back" if is_outbound else "Delivery routes answer"
    remedy = "Test every delivery route from the console, and repair what does not answer."
    return _tasks_row(
        "routes", title, facts.tasks_with_role(TaskRole.GATHERS_DELIVERY_ROUTES), remedy
    )


def _sign_offs(facts: ReadinessFacts) -> ReadinessRow:
    """What the cutover is configured from: no policy is better than the list behind it."""
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    roles = _OUTBOUND_SHEETS if is_outbound else _INBOUND_SHEETS
    remedy = "Each side signs its requirements sheet off, an empty one too."
    return _tasks_row("signed", "Requirements signed off", facts.tasks_with_role(*roles), remedy)


def _delivery_test(facts: ReadinessFacts) -> ReadinessRow:
    remedy = "Send test mail through Mimecast to each route, and read the headers of what arrives."
    tasks = facts.tasks_with_role(TaskRole.DELIVERY_TEST)
    return _tasks_row("delivery-test", "Inbound delivery tested", tasks, remedy)


def _outbound_first(facts: ReadinessFacts) -> ReadinessRow:
    """Mimecast learns trusted senders from outbound mail, so that goes first, by some days."""
    title = "Outbound has run long enough"
    task = facts.task(TaskRole.SWITCHES_OUTBOUND)
    days = facts.cutover.outbound_days
    if task is None or _verdict_of(task) is Verdict.NOT_APPLICABLE:
        return _tasks_row("outbound", title, [task] if task else [], "")
    if facts.outbound_since is None and not _verdict_of(task).is_passing:
        remedy = f"Do the outbound cutover first, and let it run for {days} days."
        return _tasks_row("outbound", title, [task], remedy)
    wait = next((t for t in facts.tasks.values() if t.wait_after == task.key), None)
    if wait is not None and wait.status == TaskStatus.ACCEPTED_RISK:
        detail = f"Fewer days were accepted: “{wait.status_reason}”"
        return ReadinessRow("outbound", title, Verdict.WARN, detail, task=wait)
    if wait is not None and wait.manual_status == ManualStatus.NOT_NEEDED:
        detail = f"The days were set aside: “{wait.status_reason}”"
        return ReadinessRow("outbound", title, Verdict.WARN, detail, task=wait)
    counted = wait.wait_started_at if wait is not None else None
    since = facts.outbound_since or counted or task.verified_at or task.status_changed_at
    ready_at = since + timedelta(days=days)
    detail = f"Outbound mail has left through Mimecast since {facts.format_time(since)}; agreed: {days} days."
    if facts.cutover.planned_at >= ready_at:
        return ReadinessRow("outbound", title, Verdict.PASS, detail, task=task)
    remedy = f"Begin the window on {facts.format_time(ready_at)} or later, or agree on fewer days."
    return ReadinessRow("outbound", title, Verdict.FAIL, detail, remedy, task=task)
