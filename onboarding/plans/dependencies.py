"""The tasks that a task still waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from onboarding.models import Task, TaskRole, TaskStatus


def open_dependencies_of(task: Task, by_key: Mapping[str, Task]) -> list[Task]:
    """The tasks of the plan that this one still waits for, in the order of `by_key`.

    A skipped dependency (not applicable, declined, at accepted risk, or optional and not started)
    passes on its own dependencies. A group also passes on those of its skipped tasks, and all of
    them with its own where no task of it was done.

    The closing task waits for a decision on every other task. Its own `depends_on` is not read.
    """
    if task.role == TaskRole.CLOSURE:
        return undecided_tasks(by_key.values())
    awaited: set[str] = set()
    seen: set[str] = set()
    remaining = list(task.depends_on)
    while remaining:
        key = remaining.pop()
        if key in seen or key not in by_key:
            continue
        seen.add(key)
        if by_key[key].blocks_dependents:
            awaited.add(key)
        else:
            remaining += _passed_on(by_key[key], by_key)
    return [each for each in by_key.values() if each.key in awaited]


def undecided_tasks(tasks: Iterable[Task]) -> list[Task]:
    """The tasks without a decision, in their order: closing the implementation needs one on each.

    A decision is: done, verified, declined, accepted risk, or not applicable.
    """
    return [task for task in tasks if task.is_undecided]


def _passed_on(task: Task, by_key: Mapping[str, Task]) -> Iterator[str]:
    """The keys of the dependencies that still count although the task delays nothing itself.

    In a group with finished work, a sub-task that does not apply is only the other alternative.
    """
    children = [t for t in by_key.values() if task.is_group and t.parent_id == task.pk]
    is_left_out = task.is_group and not any(c.is_complete and not c.is_skipped for c in children)
    if task.is_skipped or is_left_out:
        yield from task.depends_on
        for child in children:
            yield from child.depends_on
        return
    for child in children:
        if child.status != TaskStatus.NOT_APPLICABLE:
            yield from _passed_on(child, by_key)
