"""What a cutover's room judges by: its facts, the rows that come of them, and what stands now."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.clocks import Clock
from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from onboarding.cutovers.windows import KINDS_OF_DIRECTION
from onboarding.models import Cutover, EvidenceFile, Task
from onboarding.plans.proof import Subject

# A look is due within a day at the latest; an older one means that nobody is looking.
STALE_AFTER = timedelta(hours=25)
# In an open window looks are seconds apart, and an answer of before is no answer.
STALE_IN_WINDOW = timedelta(minutes=10)
# What is said of what is not known, and what would make it so.
WAIT = "We go on looking. Check everything now if you cannot wait."
STALE = "Nobody has looked at {names} lately, so what was seen does not count as of now."
LOOK = "Check everything now. If nothing comes of that, Gangway’s workers are not running."


@dataclass(frozen=True)
class Row:
    """One condition of a cutover. `mend` is what would make it green; `check` and `task` are where
    its evidence lies."""

    key: str
    title: str
    verdict: Verdict
    words: str
    mend: str = ""
    check: Check | None = None
    task: Task | None = None

    @property
    def shape(self) -> str:
        return "caution" if self.verdict is Verdict.WARN else self.verdict.value

    @property
    def holds_back(self) -> bool:
        return self.verdict in (Verdict.FAIL, Verdict.UNKNOWN)


@dataclass(frozen=True)
class Facts:
    """All that readiness rests on. `clocks` are the domains' own, from when a switch is safe."""

    cutover: Cutover
    tasks: Mapping[str, Task]
    subjects: Mapping[Kind, Sequence[Subject]]
    clocks: Sequence[tuple[str, Clock]]
    zone: zoneinfo.ZoneInfo
    now: datetime
    is_open: bool = False
    # Since when all of these domains' mail leaves through Mimecast, where that is known of each.
    outbound_since: datetime | None = None
    # Messages that people kept with the switch since its window opened, the newest last.
    messages: Sequence[EvidenceFile] = ()

    def of(self, kind: Kind) -> Sequence[Subject]:
        return self.subjects.get(kind, ())

    def say(self, at: datetime) -> str:
        """A moment as people of the tenant read it: Tue 1 Dec 20:35 EST."""
        local = at.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def is_stale(check: Check, facts: Facts) -> bool:
    """Whether what was seen last is too old to stand for now. In an open window only what this
    direction switches is looked at every few seconds; the rest keeps its pace."""
    direction = Cutover.Direction(facts.cutover.direction)
    is_close = facts.is_open and check.kind in KINDS_OF_DIRECTION[direction]
    after = STALE_IN_WINDOW if is_close else STALE_AFTER
    return check.looked_at is None or facts.now - check.looked_at > after


def stale_among(subjects: Iterable[Subject], facts: Facts) -> set[str]:
    """Which of those that were looked at were not so lately."""
    seen = [s for s in subjects if s.check is not None and s.check.looked_at is not None]
    return {s.name for s in seen if s.check is not None and is_stale(s.check, facts)}


def stance(subject: Subject, facts: Facts) -> Verdict:
    """What stands of one subject now. A settled answer that does not hold the cutover back has to
    be what the newest look says too, and that has to be of late; else it is no longer known."""
    check = subject.check
    if check is None or check.latest is None or check.looked_at is None:
        return Verdict.UNKNOWN
    settled = subject.settled
    if settled is None or settled is Verdict.FAIL:
        return settled or Verdict.UNKNOWN
    if is_stale(check, facts):
        return Verdict.UNKNOWN
    newest = Verdict(check.latest.verdict)
    is_said_again = newest.is_yes if settled.is_yes else newest is settled
    return settled if is_said_again else Verdict.UNKNOWN
