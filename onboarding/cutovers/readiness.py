"""The readiness of a cutover: its facts, its rows, and the earliest safe time.

Pure over the facts: no database and no clock.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from checks.engine.codes import RENAMED_CODES
from checks.engine.outcomes import CheckKind, Verdict, worst
from checks.models import Check
from checks.safe_times import SafeTime
from onboarding.cutovers.windows import KINDS_OF_DIRECTION
from onboarding.models import Cutover, EvidenceFile, ManualStatus, Task, TaskRole, TaskStatus
from onboarding.models.cutovers import join_names
from onboarding.plans.current_state import STALE_AFTER
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import SHAPE_OF_VERDICT, Shape
from onboarding.plans.task_roles import task_with_role, tasks_with_role

# In an open window runs are seconds apart, and an answer from before it does not count.
STALE_IN_WINDOW = timedelta(minutes=10)
_WAIT_REMEDY = "Gangway checks automatically. For an earlier result, check everything now."
_STALE_DETAIL = "The last check of {names} is too old to count."
_CHECK_NOW_REMEDY = "Check everything now. If nothing changes, Gangway’s workers are not running."
_UNKNOWN_DETAIL = "Not known for {names}: the check has not settled, or its last run disagreed."
# The policies of each direction are configured from the requirements sheets of these tasks.
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
_VERDICT_BY_STATUS = {
    TaskStatus.VERIFIED: Verdict.PASS,
    TaskStatus.DONE: Verdict.PASS,
    TaskStatus.ACCEPTED_RISK: Verdict.WARN,
    TaskStatus.DECLINED: Verdict.WARN,
    TaskStatus.AWAITING_VERIFICATION: Verdict.UNKNOWN,
    TaskStatus.NOT_APPLICABLE: Verdict.NOT_APPLICABLE,
}
SafeTimes = Sequence[tuple[str, SafeTime]]


@dataclass(frozen=True)
class ReadinessRow:
    """One condition of a cutover. `remedy` is the action that makes it green. `check` and `task`
    lead to its evidence."""

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
    """The input of the readiness. `safe_times` has the name and safe time of each domain."""

    cutover: Cutover
    tasks: Mapping[str, Task]
    subjects: Mapping[CheckKind, Sequence[ProofSubject]]
    safe_times: Sequence[tuple[str, SafeTime]]
    zone: zoneinfo.ZoneInfo
    now: datetime
    is_open: bool = False
    # The time since which all domains send through Mimecast; None unless it is known for each.
    outbound_since: datetime | None = None
    # The messages that people uploaded since the window opened, in order of their upload.
    uploaded_messages: Sequence[EvidenceFile] = ()

    def task(self, role: TaskRole) -> Task | None:
        return task_with_role(self.tasks.values(), role)

    def tasks_with_role(self, *roles: TaskRole) -> list[Task]:
        return tasks_with_role(self.tasks.values(), *roles)

    def subjects_of(self, kind: CheckKind) -> Sequence[ProofSubject]:
        return self.subjects.get(kind, ())

    def format_time(self, at: datetime) -> str:
        """The time in the tenant's zone, such as Tue 1 Dec 20:35 EST."""
        local = at.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def is_stale(check: Check, facts: ReadinessFacts) -> bool:
    """Whether the last run is too old to count.

    In an open window only the checks of its direction run every few seconds. All others run at
    their usual interval.
    """
    direction = Cutover.Direction(facts.cutover.direction)
    is_prioritized = facts.is_open and check.kind in KINDS_OF_DIRECTION[direction]
    after = STALE_IN_WINDOW if is_prioritized else STALE_AFTER
    return check.checked_at is None or facts.now - check.checked_at > after


def stale_names(subjects: Iterable[ProofSubject], facts: ReadinessFacts) -> set[str]:
    """The names of the subjects that were checked, but not recently."""
    checked = [s for s in subjects if s.check is not None and s.check.checked_at is not None]
    return {s.name for s in checked if s.check is not None and is_stale(s.check, facts)}


def current_verdict(subject: ProofSubject, facts: ReadinessFacts) -> Verdict:
    """The verdict of the subject's current state.

    UNKNOWN if its last run is too old to count, or if it is a pilot message. A settled FAIL counts
    as it is.
    """
    check, verdict = subject.check, replace(subject, now=facts.now).state.verdict
    if check is None or verdict is Verdict.FAIL:
        return verdict
    return Verdict.UNKNOWN if subject.is_early or is_stale(check, facts) else verdict


def readiness_rows(facts: ReadinessFacts) -> list[ReadinessRow]:
    """The rows of the cutover's direction, in the order of the work."""
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


# --- Rows from checks


@dataclass(frozen=True)
class _RowText:
    """The sentences of a row. `{names}` are the domains that decide it.

    `missing_text` and `missing_remedy` are for a domain whose check needs a value that the profile
    does not have.
    """

    title: str
    pass_text: str
    fail_text: str
    remedy: str
    missing_text: str = "{names}: no check applies to its role."
    missing_remedy: str = "Choose a role that sends or receives mail in the profile."


def _row_of(key: str, kind: CheckKind, text: _RowText, facts: ReadinessFacts) -> ReadinessRow:
    verdicts = [(subject, current_verdict(subject, facts)) for subject in facts.subjects_of(kind)]
    if not verdicts:
        detail = "No domain of this cutover needs this check."
        return ReadinessRow(
            key, text.title, Verdict.UNKNOWN, detail, "Add the domains to the profile."
        )
    verdict = worst([each for _, each in verdicts])
    deciding = [subject for subject, each in verdicts if each is verdict]
    detail, remedy = {
        Verdict.FAIL: (text.fail_text, text.remedy),
        Verdict.NOT_APPLICABLE: ("Not applicable to {names}.", ""),
        Verdict.WARN: (f"{text.pass_text} Read the caution in its evidence.", ""),
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
    """The subjects to name, the detail and the remedy.

    A missing value comes first, because waiting does not help there. Then come stale checks.
    """
    without_check = [subject for subject in unknown if subject.check is None]
    if without_check:
        return without_check, text.missing_text, text.missing_remedy
    names = stale_names(unknown, facts)
    stale = [subject for subject in unknown if subject.name in names]
    return (
        (stale, _STALE_DETAIL, _CHECK_NOW_REMEDY)
        if stale
        else (unknown, _UNKNOWN_DETAIL, _WAIT_REMEDY)
    )


def _names(subjects: Iterable[ProofSubject]) -> str:
    *others, last = list(dict.fromkeys(s.name for s in subjects)) or ["no domain"]
    return f"{', '.join(others)} and {last}" if others else last


def _ownership(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "Ownership verified",
        "{names}: ownership is verified.",
        "{names}: ownership is not verified.",
        "Publish the code that Mimecast issued for {names}.",
        "{names}: the profile has no ownership code.",
        "Enter the code that Mimecast issued for {names} in the profile.",
    )
    return _row_of("ownership", CheckKind.OWNERSHIP, text, facts)


def _spf(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "SPF covers the region",
        "{names}: SPF allows the region's networks.",
        "{names}: SPF does not allow all of the region's networks.",
        "Publish the merged SPF record for {names}.",
    )
    return _row_of("spf", CheckKind.SPF, text, facts)


def _dkim(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "DKIM ready",
        "{names}: the key is published under its selector.",
        "{names}: the key is not published correctly.",
        "Publish the key that Mimecast issued for {names}.",
        "{names}: the profile has no selector, so outbound mail would be unsigned.",
        "Enter the selector in the profile, and publish its key.",
    )
    # Only if no domain has a selector: otherwise this caution would hide another domain's key.
    without_selector = [s for s in facts.subjects_of(CheckKind.DKIM) if s.check is None]
    if without_selector and len(without_selector) == len(facts.subjects_of(CheckKind.DKIM)):
        return ReadinessRow(
            "dkim",
            text.title,
            Verdict.WARN,
            text.missing_text.format(names=_names(without_selector)),
            text.missing_remedy,
        )
    return _row_of("dkim", CheckKind.DKIM, text, facts)


def _mta_sts(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "MTA-STS permits the planned MX",
        "{names}: the policy permits the planned MX hosts.",
        "{names}: senders that enforce the policy reject the planned MX hosts.",
        "For {names}, add the planned hosts to the policy and change the record's id before you"
        " switch MX.",
    )
    return _row_of("mta-sts", CheckKind.MTA_STS, text, facts)


def _dmarc(facts: ReadinessFacts) -> ReadinessRow:
    """With quarantine or reject, receivers drop mail that passes neither SPF nor DKIM. Both must be
    verified before outbound mail leaves through Mimecast (RFC 7489 section 6.3)."""
    title = "DMARC will not reject your mail"
    subjects = facts.subjects_of(CheckKind.DMARC)
    unsure = [s for s in subjects if _policy_unknown(s, facts)]
    enforcing = [s for s in subjects if s not in unsure and _enforces(s)]
    verified = {
        kind: _verified(facts.subjects_of(kind), facts) for kind in (CheckKind.SPF, CheckKind.DKIM)
    }
    lacking = [s for s in enforcing if not all(s.name in names for names in verified.values())]
    if lacking:
        detail = (
            f"{_names(lacking)}: quarantines or rejects, but SPF and DKIM are not both verified."
        )
        remedy = f"Fix SPF and DKIM for {_names(lacking)}, or set its policy to none until then."
        return ReadinessRow("dmarc", title, Verdict.FAIL, detail, remedy, check=lacking[0].check)
    if unsure or not subjects:
        detail = f"The policy of {_names(unsure)} is not known."
        return ReadinessRow(
            "dmarc",
            title,
            Verdict.UNKNOWN,
            detail,
            _WAIT_REMEDY,
            check=unsure[0].check if unsure else None,
        )
    if enforcing:
        detail = f"{_names(enforcing)}: quarantines or rejects. SPF and DKIM are both verified."
        return ReadinessRow("dmarc", title, Verdict.PASS, detail, check=enforcing[0].check)
    invalid = [s for s in subjects if current_verdict(s, facts) is Verdict.FAIL]
    if invalid:
        detail = f"{_names(invalid)}: the record is invalid, so receivers apply no policy."
        remedy = "Fix the record, with the policy none until SPF and DKIM are verified."
        return ReadinessRow("dmarc", title, Verdict.WARN, detail, remedy, check=invalid[0].check)
    detail = f"{_names(subjects)}: no policy that quarantines or rejects."
    return ReadinessRow("dmarc", title, Verdict.PASS, detail, check=subjects[0].check)


def _policy_unknown(subject: ProofSubject, facts: ReadinessFacts) -> bool:
    """If the servers differ, one of them may publish an enforcing policy. An invalid record at all
    servers is a known result only if the names above the domain answered: the domain inherits
    their policy (RFC 9989 section 4.10)."""
    verdict = current_verdict(subject, facts)
    latest = subject.check.latest if subject.check is not None else None
    return verdict is Verdict.UNKNOWN or (
        verdict is Verdict.FAIL
        and (
            latest is None
            or not latest.unanimous
            or _has_finding(subject, "dmarc.organisation-lookup-failed")
        )
    )


def _enforces(subject: ProofSubject) -> bool:
    return _has_finding(subject, "dmarc.enforces")


def _has_finding(subject: ProofSubject, code: str) -> bool:
    latest = subject.check.latest if subject.check is not None else None
    return latest is not None and any(
        RENAMED_CODES.get(f["code"], f["code"]) == code for f in latest.findings
    )


def _verified(subjects: Sequence[ProofSubject], facts: ReadinessFacts) -> set[str]:
    return {s.name for s in subjects if current_verdict(s, facts).is_passing}


# --- Rows from tasks


def _tasks_row(key: str, title: str, tasks: Iterable[Task], remedy: str = "") -> ReadinessRow:
    """A row with the worst verdict of the tasks, and the first task that has it."""
    verdicts = [(task, _verdict_of(task)) for task in tasks if not task.is_group]
    counted = [(task, each) for task, each in verdicts if each is not Verdict.NOT_APPLICABLE]
    if not counted:
        detail = "No task that applies to this plan requires it."
        return ReadinessRow(key, title, Verdict.NOT_APPLICABLE, detail)
    verdict = worst([each for _, each in counted])
    task = next(task for task, each in counted if each is verdict)
    detail = f"{task.title}: {task.get_status_display().lower()}."
    return ReadinessRow(
        key, title, verdict, detail, "" if verdict.is_passing else remedy, task=task
    )


def _verdict_of(task: Task) -> Verdict:
    if not task.applies or (
        task.is_optional and not task.blocks_dependents and not task.is_complete
    ):
        return Verdict.NOT_APPLICABLE
    return _VERDICT_BY_STATUS.get(TaskStatus(task.status), Verdict.FAIL)


def _directory(facts: ReadinessFacts) -> ReadinessRow:
    remedy = (
        "Finish the first synchronisation, and compare the number of users with your directory."
    )
    tasks = facts.tasks_with_role(TaskRole.DIRECTORY)
    return _tasks_row("directory", "Directory synchronised", tasks, remedy)


def _routes(facts: ReadinessFacts) -> ReadinessRow:
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    title = "Bounce return path works" if is_outbound else "Delivery routes answer"
    remedy = "Test every delivery route from the console, and repair each that does not answer."
    tasks = facts.tasks_with_role(TaskRole.GATHERS_DELIVERY_ROUTES)
    return _tasks_row("routes", title, tasks, remedy)


def _sign_offs(facts: ReadinessFacts) -> ReadinessRow:
    """The policies of the cutover are only as good as the requirements sheets behind them."""
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    roles = _OUTBOUND_SHEETS if is_outbound else _INBOUND_SHEETS
    remedy = "Each side must sign off its requirements sheets, also the empty ones."
    return _tasks_row("signed", "Requirements signed off", facts.tasks_with_role(*roles), remedy)


def _delivery_test(facts: ReadinessFacts) -> ReadinessRow:
    remedy = "Send test mail through Mimecast to each route, and read the headers on arrival."
    tasks = facts.tasks_with_role(TaskRole.DELIVERY_TEST)
    return _tasks_row("delivery-test", "Inbound delivery tested", tasks, remedy)


def _outbound_first(facts: ReadinessFacts) -> ReadinessRow:
    """Mimecast learns trusted senders from outbound mail, so outbound switches first."""
    title = "Outbound has run long enough"
    task = facts.task(TaskRole.SWITCHES_OUTBOUND)
    days = facts.cutover.outbound_days
    if task is None or _verdict_of(task) is Verdict.NOT_APPLICABLE:
        return _tasks_row("outbound", title, [])
    if facts.outbound_since is None and not _verdict_of(task).is_passing:
        remedy = f"Do the outbound cutover first, and let it run for {days} days."
        return _tasks_row("outbound", title, [task], remedy)
    wait = next((t for t in facts.tasks.values() if t.wait_after == task.key), None)
    if wait is not None and wait.status == TaskStatus.ACCEPTED_RISK:
        detail = f"Fewer days were accepted: “{wait.status_reason}”"
        return ReadinessRow("outbound", title, Verdict.WARN, detail, task=wait)
    if wait is not None and wait.manual_status == ManualStatus.NOT_NEEDED:
        detail = f"The days are not needed: “{wait.status_reason}”"
        return ReadinessRow("outbound", title, Verdict.WARN, detail, task=wait)
    counted = wait.wait_started_at if wait is not None else None
    since = facts.outbound_since or counted or task.verified_at or task.status_changed_at
    ready_at = since + timedelta(days=days)
    detail = (
        f"Outbound mail leaves through Mimecast since {facts.format_time(since)}."
        f" Agreed: {days} days."
    )
    if facts.cutover.planned_at >= ready_at:
        return ReadinessRow("outbound", title, Verdict.PASS, detail, task=task)
    remedy = (
        f"Schedule the window for {facts.format_time(ready_at)} or later, or agree on fewer days."
    )
    return ReadinessRow("outbound", title, Verdict.FAIL, detail, remedy, task=task)


# --- The TTL row and its safe times


def pending_switches(safe_times: SafeTimes) -> list[tuple[str, SafeTime]]:
    """The safe times of the domains that have not switched yet."""
    return [(domain, safe_time) for domain, safe_time in safe_times if not safe_time.is_moved]


def earliest_safe_time(safe_times: SafeTimes) -> datetime | None:
    """The time from which every remaining switch is safe.

    None if it is not known for one of them, or if every domain has switched.
    """
    pending = pending_switches(safe_times)
    known = [safe_time.safe_at for _, safe_time in pending if safe_time.safe_at is not None]
    return max(known) if known and len(known) == len(pending) else None


def ttl_row(facts: ReadinessFacts) -> ReadinessRow:
    title = "TTL lowered and the old TTL run out"
    pending = pending_switches(facts.safe_times)
    waiting = [(domain, safe_time) for domain, safe_time in pending if safe_time.safe_at is None]
    check = _deciding_check(facts, waiting or pending)
    if facts.subjects_of(CheckKind.MX) and not facts.subjects_of(CheckKind.MX_TTL):
        detail = (
            "None of these domains has to lower its TTL."
            " Caches use the old answer until it expires."
        )
        remedy = "The old hosts must accept mail until the last cache has expired."
        return ReadinessRow("ttl", title, Verdict.WARN, detail, remedy)
    if not facts.safe_times:
        detail = "The TTL of these domains has not been checked yet."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, _WAIT_REMEDY)
    if not pending:
        detail = "Every domain has switched already."
        return ReadinessRow("ttl", title, Verdict.PASS, detail)
    if waiting:
        return _unknown_row(title, waiting, facts, check)
    domain, safe_time = max(pending, key=lambda pair: pair[1].safe_at or facts.now)
    assert safe_time.safe_at is not None
    detail = (
        f"Earliest safe cutover: {facts.format_time(safe_time.safe_at)}, because"
        f" {_explanation(domain, safe_time, facts)}."
    )
    exempt = _exempt_names(facts)
    if facts.cutover.planned_at >= safe_time.safe_at and exempt:
        detail = (
            f"{detail} Without a lower TTL: {join_names(exempt)}."
            " Caches use the old answer until it expires."
        )
        remedy = "Its old hosts must accept mail until the last cache has expired."
        return ReadinessRow("ttl", title, Verdict.WARN, detail, remedy, check=check)
    if facts.cutover.planned_at >= safe_time.safe_at:
        return ReadinessRow("ttl", title, Verdict.PASS, detail, check=check)
    remedy = "Schedule the window for that time or later."
    return ReadinessRow("ttl", title, Verdict.FAIL, detail, remedy, check=check)


def _exempt_names(facts: ReadinessFacts) -> list[str]:
    """The domains that switch without lowering their TTL. No safe time covers them."""
    covered = {subject.name for subject in facts.subjects_of(CheckKind.MX_TTL)}
    return [
        subject.name for subject in facts.subjects_of(CheckKind.MX) if subject.name not in covered
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
        publish = "publishes" if len(lagging) == 1 else "publish"
        detail = f"{domains}: {', '.join(lagging)} still {publish} a TTL above the threshold."
        remedy = (
            "Lower the TTL of the MX records there. The waiting time begins with the last server."
        )
        return ReadinessRow("ttl", title, Verdict.FAIL, detail, remedy, check=check)
    if empty:
        servers = f"{', '.join(empty)} {_have(empty)}"
        detail = f"{domains}: no safe time is known while {servers} no MX records."
        remedy = "Wait if the server is loading the zone. Otherwise load the zone there."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, remedy, check=check)
    if silent:
        do = "does" if len(silent) == 1 else "do"
        detail = f"{domains}: no safe time is known while {', '.join(silent)} {do} not answer."
        remedy = "The safe time is known only after every server has answered."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, remedy, check=check)
    ttls = [
        s
        for s in facts.subjects_of(CheckKind.MX_TTL)
        if s.name in {domain for domain, _ in waiting}
    ]
    stale = stale_names(ttls, facts)
    if stale:
        detail = _STALE_DETAIL.format(names=join_names(sorted(stale)))
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, _CHECK_NOW_REMEDY, check=check)
    detail = f"{domains}: no safe time is known yet."
    return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, _WAIT_REMEDY, check=check)


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _explanation(domain: str, safe_time: SafeTime, facts: ReadinessFacts) -> str:
    if safe_time.is_assumed:
        return (
            f"the TTL of {domain} before the first check is not known,"
            f" so a TTL of {safe_time.ttl} s is assumed"
        )
    until = (
        facts.format_time(safe_time.seen_until)
        if safe_time.seen_until is not None
        else "an unknown time"
    )
    left = (
        "; the server left the delegation, which caches store for two days"
        if safe_time.has_left
        else ""
    )
    return f"{safe_time.server} published {safe_time.ttl} s for {domain} until {until}{left}"
