"""The facts of the readiness list, and the shape of its rows. Pure."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from checks.safe_times import SafeTime
from onboarding.cutovers.windows import KINDS_OF_DIRECTION
from onboarding.models import Cutover, EvidenceFile, Task, TaskRole
from onboarding.plans.current_verdicts import STALE_AFTER, is_older_than, verdict_now
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import SHAPE_OF_VERDICT, Shape
from onboarding.plans.task_roles import task_with_role, tasks_with_role

# In an open window runs are seconds apart, and an answer from before it does not count.
STALE_IN_WINDOW = timedelta(minutes=10)
WAIT_REMEDY = "Gangway checks automatically. For an earlier result, check everything now."
STALE_DETAIL = "The last check of {names} is too old to count."
CHECK_NOW_REMEDY = "Check everything now. If nothing changes, Gangway’s workers are not running."
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
    # The shape of the failing checks on every other page.
    shown_shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        return self.shown_shape or SHAPE_OF_VERDICT[self.verdict]

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
    # The end of the former MTA-STS policy in caches, by domain; without a policy, no entry.
    policy_times: SafeTimes = ()
    # The keys of the tasks that are done for each domain of this cutover, but not for all domains.
    done_here: Collection[str] = ()

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
    """Whether the last run is too old to count."""
    return is_older_than(check, _stale_after(check, facts), now=facts.now)


def _stale_after(check: Check, facts: ReadinessFacts) -> timedelta:
    """The age from which a run does not count.

    In an open window only the checks of its direction run every few seconds. All others run at
    their usual interval.
    """
    direction = Cutover.Direction(facts.cutover.direction)
    is_prioritized = facts.is_open and check.kind in KINDS_OF_DIRECTION[direction]
    return STALE_IN_WINDOW if is_prioritized else STALE_AFTER


def stale_names(subjects: Iterable[ProofSubject], facts: ReadinessFacts) -> set[str]:
    """The names of the subjects that were checked, but not recently."""
    checked = [s for s in subjects if s.check is not None and s.check.checked_at is not None]
    return {s.name for s in checked if s.check is not None and is_stale(s.check, facts)}


def current_verdict(subject: ProofSubject, facts: ReadinessFacts) -> Verdict:
    """The verdict on one subject now; in an open window, only a run of the last minutes counts."""
    check = subject.check
    after = _stale_after(check, facts) if check is not None else STALE_AFTER
    return verdict_now(subject, now=facts.now, stale_after=after)
