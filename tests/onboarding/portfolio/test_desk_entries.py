"""The order of the desk's entries. Without a database."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding.portfolio.desk.entries import DeskEntry, Group, Kind, TenantLabel, grouped, in_order

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def entry(name: str, group: Group, kind: Kind = Kind.TASK, **given: Any) -> DeskEntry:
    return DeskEntry(
        group, kind, TenantLabel(name, "UTC"), given.pop("subject", ""), "", "", "", **given
    )


# Each row precedes the next one.
TABLE = [
    entry("overdue", Group.BLOCKS_CUTOVER, Kind.CUTOVER, due_at=NOW - DAY, since=NOW),
    entry("tonight", Group.BLOCKS_CUTOVER, Kind.CUTOVER, due_at=NOW + HOUR, since=NOW - DAY),
    entry("tomorrow", Group.BLOCKS_CUTOVER, Kind.CUTOVER, due_at=NOW + DAY, since=NOW - DAY),
    entry("old question", Group.DUE, Kind.QUESTION, since=NOW - 3 * DAY),
    entry("contradicted", Group.DUE, Kind.CONTRADICTED, since=NOW - 2 * DAY),
    entry("late task", Group.DUE, due_at=NOW - DAY, since=NOW - 9 * DAY),
    entry("due today", Group.DUE, due_at=NOW + HOUR, since=NOW - 9 * DAY),
    entry("vote", Group.DUE, Kind.VOTE, due_at=NOW + DAY),
    entry("regressed", Group.LOST, Kind.LOST, since=NOW - DAY),
    entry("drifted", Group.LOST, Kind.LOST, since=NOW - HOUR),
    entry("window", Group.NEXT, Kind.CUTOVER, due_at=NOW + 9 * DAY, since=NOW),
    entry("later vote", Group.NEXT, Kind.VOTE, due_at=NOW + 3 * DAY),
    entry("quiet", Group.NEXT, Kind.QUIET, since=NOW - 8 * DAY),
    entry("waits", Group.NEXT, since=NOW - 9 * DAY, subject="a"),
    entry("waits", Group.NEXT, since=NOW - 9 * DAY, subject="b"),
    entry("waits less", Group.NEXT, since=NOW),
    entry("unknown", Group.NEXT),
]


@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.pairwise(TABLE)),
    ids=lambda each: each.tenant.name.replace(" ", "-"),
)
def test_more_urgent_entry_is_first(first: DeskEntry, second: DeskEntry) -> None:
    assert in_order([second, first]) == [first, second]
    assert in_order([first, second]) == [first, second]


@pytest.mark.parametrize("seed", range(5))
def test_order_ignores_the_input_order(seed: int) -> None:
    shuffled = random.Random(seed).sample(TABLE, len(TABLE))

    assert in_order(shuffled) == TABLE


def test_group_counts_hidden_entries() -> None:
    groups = [(each.label, each.number, len(each.entries)) for each in grouped(TABLE, TABLE[:5])]

    assert groups == [("Blocks a cutover", 3, 3), ("Due now", 5, 2)]
