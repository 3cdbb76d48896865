"""Find, insert, move and remove tasks in the content of a draft, in place.

Pure, except for `used_keys`, which reads all stored versions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from onboarding.models import PlanTemplate, TaskRole, TemplateDraft
from onboarding.plan_templates.content import Content, ContentError
from onboarding.plans.custom_tasks import KEY_PREFIX

_LONGEST_KEY = 50


@dataclass(frozen=True)
class DraftTask:
    """A task and its phase."""

    entry: Content
    phase: Content

    @property
    def key(self) -> str:
        return str(self.entry["key"])


def find(content: Content, key: str) -> DraftTask | None:
    return next((found for found in draft_tasks(content) if found.key == key), None)


def draft_tasks(content: Content) -> Iterator[DraftTask]:
    for phase in content["phases"]:
        for entry in phase["tasks"]:
            yield DraftTask(entry, phase)


def without_empty_phases(content: Content) -> Content:
    return {**content, "phases": [phase for phase in content["phases"] if phase["tasks"]]}


def append_entry(content: Content, entry: Content, phase: str) -> None:
    """Insert the task at the end of its group, or of its phase."""
    _insert(content, [entry], phase)


def replace(content: Content, found: DraftTask, entry: Content, phase: str) -> None:
    """Replace a task in place, or move it and its tasks to the end of another group or phase."""
    if found.phase["key"] == phase and found.entry.get("parent") == entry.get("parent"):
        tasks = found.phase["tasks"]
        tasks[tasks.index(found.entry)] = entry
        return
    children = _children(found)
    found.phase["tasks"] = [
        each for each in found.phase["tasks"] if each is not found.entry and each not in children
    ]
    _insert(content, [entry, *children], phase)


def _insert(content: Content, block: list[Content], phase: str) -> None:
    place = next((each for each in content["phases"] if each["key"] == phase), None)
    if place is None:
        raise ContentError((), "The phase is no longer in the draft. Choose another one.")
    parent = block[0].get("parent")
    tasks = place["tasks"]
    family = [
        at for at, each in enumerate(tasks) if parent and parent in (each["key"], _parent(each))
    ]
    at = family[-1] + 1 if family else len(tasks)
    tasks[at:at] = block


def shift(content: Content, found: DraftTask, *, up: bool) -> None:
    """Exchange the task with its neighbour. The tasks of a group move with it."""
    siblings = [each for each in found.phase["tasks"] if _parent(each) == _parent(found.entry)]
    to = siblings.index(found.entry) + (-1 if up else 1)
    if not 0 <= to < len(siblings):
        return
    first, second = (siblings[to], found.entry) if up else (found.entry, siblings[to])
    blocks = [[each, *_children(DraftTask(each, found.phase))] for each in (first, second)]
    tasks = found.phase["tasks"]
    start = tasks.index(first)
    tasks[start : start + sum(map(len, blocks))] = [*blocks[1], *blocks[0]]


def remove_entry(content: Content, found: DraftTask) -> None:
    found.phase["tasks"].remove(found.entry)
    for other in draft_tasks(content):
        waits_for = [key for key in other.entry.get("depends_on", []) if key != found.key]
        if "depends_on" in other.entry:
            other.entry["depends_on"] = waits_for


def why_not_removable(content: Content, key: str) -> str:
    """The reason why a task cannot be removed; empty if it can."""
    task = find(content, key)
    if task is not None and task.entry.get("role") == TaskRole.CLOSURE:
        return "The closing task cannot be removed: it closes the implementation."
    for other in draft_tasks(content):
        if _parent(other.entry) == key:
            is_group = task is not None and not task.entry.get("own_work")
            return f"It {'is a group' if is_group else 'has sub-tasks'}. Move or remove them first."
        if (other.entry.get("waits") or {}).get("after") == key:
            return f"“{other.entry['title']}” waits for it. Change that task first."
    return ""


def _parent(entry: Content) -> str:
    return str(entry.get("parent") or "")


def _children(found: DraftTask) -> list[Content]:
    return [each for each in found.phase["tasks"] if _parent(each) == found.key]


# --- Keys


def used_keys(draft: TemplateDraft) -> set[str]:
    """The keys of all versions and of the draft, including keys removed from the draft."""
    used = set(draft.removed_keys) | set(_keys(draft.content))
    for content in PlanTemplate.objects.values_list("content", flat=True):
        used |= set(_keys(content))
    return used


def _keys(content: Content) -> Iterator[str]:
    for phase in content.get("phases", []):
        yield phase["key"]
        yield from (entry["key"] for entry in phase["tasks"])


def new_key(title: str, used: Collection[str]) -> str:
    """A key from the title that was never used before."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_KEY].strip("-") or "task"
    if stem.startswith(KEY_PREFIX):
        stem = f"task-{stem}"
    tries = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(used) + 2))
    return next(key for key in tries if key not in used)


# --- Refusals


_FIELD_OF = {
    "key": "depends_on",
    "check": "check_kinds",
    "due": "due_from",
    "waits": "wait_after",
    "fields": "fields_text",
    "runbooks": "runbooks_text",
}


def blame(content: Content, error: ContentError, key: str) -> tuple[str, str]:
    """The form field that an error is about, if it is the task's own, and the message.

    The message has the titles of tasks in place of their keys.
    """
    titles = {found.key: found.entry["title"] for found in draft_tasks(content)}
    reason = _with_titles(str(error), titles)
    entry, rest = _task_at(content, error)
    if entry is None or entry["key"] == key:
        named = str(rest[0]) if rest else ""
        return _FIELD_OF.get(named, named), reason
    return "", f"“{entry['title']}”: {reason}"


def _task_at(content: Content, error: ContentError) -> tuple[Content | None, tuple[Any, ...]]:
    """The task with the error, None for a phase, and the place below it."""
    match error.place:
        case ("phases", int(phase), "tasks", int(task), *rest):
            return content["phases"][phase]["tasks"][task], tuple(rest)
        case ("phases", int(), str(field), *rest):
            return None, (field, *rest)
    return None, ()


def _with_titles(reason: str, titles: dict[str, str]) -> str:
    head, arrow, _ = reason.partition(": ")
    if head == "cycle of dependencies" and arrow:
        keys = reason.removeprefix("cycle of dependencies: ").split(" → ")
        listed = " → ".join(f"“{titles.get(key, key)}”" for key in keys)
        return f"These tasks would wait for each other in a cycle: {listed}."
    message = re.sub("“([a-z0-9-]+)”", lambda m: f"“{titles.get(m[1], m[1])}”", reason)
    return f"{message[0].upper()}{message[1:]}" + ("" if message.endswith(".") else ".")
