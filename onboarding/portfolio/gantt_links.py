"""The lines of the critical path between the rows of a Gantt chart. Pure.

Each row has a drawing of its own, so a line consists of one part for each row that it crosses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

# The upper edge, the middle and the lower edge of a bar in its row, in pixels.
BAR_TOP, BAR_MIDDLE, BAR_BOTTOM = "8", "14", "20"


@dataclass(frozen=True)
class PathStop:
    """A step of the critical path in the row with this index. Places are in percent of the row.

    `end_x` is the middle of its last day, from which the line to the next step starts. `start_x`
    is the middle of its first day, and `edge_x` the start of its bar.
    """

    row: int
    start_x: str
    edge_x: str
    end_x: str


@dataclass(frozen=True)
class GanttLink:
    """The part of a line in one row: from y1 to y2 at x, and from there to x2 if it has one."""

    x: str
    y1: str
    y2: str
    x2: str = ""


def links_of(stops: Sequence[PathStop]) -> Mapping[int, Sequence[GanttLink]]:
    """The parts by the index of their row. Steps that overlap on a day have a straight line."""
    parts: dict[int, list[GanttLink]] = defaultdict(list)
    for before, after in pairwise(stops):
        is_down = after.row > before.row
        x = before.end_x
        first = GanttLink(x, BAR_BOTTOM, "100%") if is_down else GanttLink(x, "0", BAR_TOP)
        parts[before.row].append(first)
        between = range(min(before.row, after.row) + 1, max(before.row, after.row))
        for row in between:
            parts[row].append(GanttLink(x, "0", "100%"))
        parts[after.row].append(_last(after, x, is_down=is_down))
    return parts


def _last(after: PathStop, x: str, *, is_down: bool) -> GanttLink:
    is_straight = after.start_x == x
    end = (BAR_TOP if is_down else BAR_BOTTOM) if is_straight else BAR_MIDDLE
    y1, y2 = ("0", end) if is_down else (end, "100%")
    return GanttLink(x, y1, y2, "" if is_straight else after.edge_x)
