"""The entries of "Needs you", and their order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from itertools import groupby
from typing import NamedTuple, Self

from django.urls import reverse

from onboarding.models import Task
from onboarding.plans.rows import Shape
from tenants.models import Tenant


class Group(IntEnum):
    """The groups of the list, most urgent first."""

    BLOCKS_CUTOVER = 0
    DUE = 1
    LOST = 2
    NEXT = 3

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Group.BLOCKS_CUTOVER: "Blocks a cutover",
    Group.DUE: "Due now",
    Group.LOST: "Regressed and drift",
    Group.NEXT: "Next",
}


class Kind(StrEnum):
    """The kinds of entries, in the order of the group "Next"."""

    CUTOVER = "cutover"
    VOTE = "vote"
    QUESTION = "question"
    PROPOSAL = "proposal"
    CONTRADICTED = "contradicted"
    LOST = "lost"
    QUIET = "quiet"
    TASK = "task"


_POSITIONS = {kind: position for position, kind in enumerate(Kind)}
_NEVER = datetime.max.replace(tzinfo=UTC)


class TenantLabel(NamedTuple):
    """What an entry shows of its tenant. The cache stores no rows."""

    name: str
    time_zone: str

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        return cls(tenant.name, tenant.time_zone)


@dataclass(frozen=True)
class DeskEntry:
    """One entry: its tenant, its fact in a subject and a sentence, and its one action.

    `due_at` is the time by which the person has to act: the start of a window, or the end of a due
    date. `since` is the time at which the entry appeared.
    """

    group: Group
    kind: Kind
    tenant: TenantLabel
    subject: str
    sentence: str
    action: str
    url: str
    since: datetime | None = None
    due_at: datetime | None = None
    # The start of the window that it concerns, in the tenant's time zone on the page.
    window_at: datetime | None = None
    # The reason that blocks a cutover, before the other ones in the sentence.
    reason: str = ""

    @property
    def shape(self) -> Shape:
        """Its icon. A vote and a question have icons of their own."""
        if self.kind is Kind.CUTOVER:
            return Shape.FAIL if self.group is Group.BLOCKS_CUTOVER else Shape.CAUTION
        return _SHAPES.get(self.kind, Shape.TODO)


_SHAPES = {
    Kind.CONTRADICTED: Shape.FAIL,
    Kind.LOST: Shape.FAIL,
    Kind.QUIET: Shape.CAUTION,
}


def in_order(entries: Iterable[DeskEntry]) -> list[DeskEntry]:
    """The entries, most urgent first.

    1. By group. In the group "Next" also by kind, because its entries share no deadline.
    2. By the time by which the person has to act, and then by the time since which it waits.
    3. By tenant and subject, so that the order of equal entries never changes.
    """
    return sorted(entries, key=_position)


def _position(entry: DeskEntry) -> tuple[int, int, datetime, datetime, str, str]:
    is_next = entry.group is Group.NEXT
    return (
        entry.group,
        _POSITIONS[entry.kind] if is_next else 0,
        entry.due_at or entry.since or _NEVER,
        entry.since or _NEVER,
        entry.tenant.name,
        entry.subject,
    )


@dataclass(frozen=True)
class EntryGroup:
    """A heading of the page with its entries. `number` also counts those that are not shown."""

    label: str
    number: int
    entries: Sequence[DeskEntry]


def grouped(entries: Sequence[DeskEntry], shown: Sequence[DeskEntry]) -> Iterator[EntryGroup]:
    """The groups of the shown entries, which are a part of `entries` in the same order."""
    for group, members in groupby(shown, key=lambda entry: entry.group):
        number = sum(entry.group is group for entry in entries)
        yield EntryGroup(group.label, number, list(members))


def url_of_task(task: Task) -> str:
    """The place of a task on the plan page. The task is loaded with its phase and tenant."""
    plan = reverse("onboarding:plan-show", args=[task.plan.tenant.public_id])
    return f"{plan}?phase={task.phase.key}#{task.key}"
