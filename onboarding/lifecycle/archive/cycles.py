"""Rows that refer to rows of their own table: no row may refer to itself, also not through others.

Pages, forecasts and roll-ups follow these references to their end. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onboarding.lifecycle.archive.format import ArchiveError


@dataclass(frozen=True)
class _Task:
    place: str
    parent: str | None
    depends_on: Sequence[str]
    is_group: bool


@dataclass
class Links:
    """The references inside one table, by the key of their row, and the tasks of the plan."""

    # Table and column, then the row's key: its place and the key of the other row.
    own: dict[tuple[str, str], dict[str, tuple[str, str]]] = field(default_factory=dict)
    # By public id: the tasks. By key of the plan: their public ids.
    tasks: dict[str, _Task] = field(default_factory=dict)
    task_ids: dict[str, str] = field(default_factory=dict)

    def add(self, table: str, column: str, key: str, place: str, other: str) -> None:
        """Record that the row with this key refers to another row of its table."""
        self.own.setdefault((table, column), {})[key] = (place, other)

    def add_task(self, values: Mapping[str, Any], parent: str | None, place: str) -> None:
        """Record a task with the keys that it depends on."""
        self.tasks[values["public_id"]] = _Task(
            place, parent, values["depends_on"], bool(values["is_group"])
        )
        self.task_ids[values["key"]] = values["public_id"]

    def refuse_cycles(self) -> None:
        """Raise ArchiveError for a row that refers to itself, and for a sub-task of a sub-task."""
        for (_, column), rows in self.own.items():
            following = {key: [other] for key, (_, other) in rows.items()}
            _refuse(following, {key: place for key, (place, _) in rows.items()}, column)
        for task in self.tasks.values():
            parent = self.tasks.get(task.parent or "")
            if parent is not None and parent.parent is not None:
                raise ArchiveError(f"{task.place.capitalize()} is a sub-task of a sub-task.")
        places = {key: task.place for key, task in self.tasks.items()}
        _refuse(self._waits(), places, "depends_on")

    def _waits(self) -> dict[str, list[str]]:
        """The tasks that each task waits for.

        A group waits for its sub-tasks. Another task does not: work that belongs to a cutover can
        follow it.
        """
        found = {
            key: [self.task_ids[each] for each in task.depends_on if each in self.task_ids]
            for key, task in self.tasks.items()
        }
        for key, task in self.tasks.items():
            if task.parent in self.tasks and self.tasks[task.parent].is_group:
                found[task.parent].append(key)
        return found


def _refuse(following: Mapping[str, Sequence[str]], places: Mapping[str, str], column: str) -> None:
    """Raise ArchiveError if a row reaches itself. Each reference is followed once."""
    cleared: set[str] = set()
    for start in following:
        path: dict[str, Iterator[str]] = {}
        if start not in cleared:
            path[start] = iter(following[start])
        while path:
            last = next(reversed(path))
            other = next(path[last], None)
            if other is None:
                del path[last]
                cleared.add(last)
            elif other in path:
                place = places[other].capitalize()
                raise ArchiveError(f"{place} refers to itself through “{column}”.")
            elif other in following and other not in cleared:
                path[other] = iter(following[other])
