"""The tasks of a list without buttons: their own values, and their checks on request.

A page of a plan also decides about every transition for its reader (`rows.rows_of`). A list of the
API without transitions does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import F

from onboarding.models import Phase, Task
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.domain_progress import ProgressByTask, TaskProgress, facts_by_task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import TaskEvidence
from tenants.models import Tenant, User

_PEOPLE = ("assignee", "status_set_by", "mimecast_confirmed_by", "client_confirmed_by")


@dataclass(frozen=True)
class TaskList:
    """The tasks of a tenant's plan. Each part is read once, at its first use."""

    tenant: Tenant

    @cached_property
    def _progress(self) -> ProgressByTask:
        return facts_by_task(self.tenant)

    @cached_property
    def plan_context(self) -> PlanContext:
        return PlanContext.for_list(self.tenant, self._progress)

    def rows(self, pks: Iterable[int]) -> list[ListedTask]:
        """These tasks in this order. Three queries, and three more with the first check."""
        stored = Task.objects.filter(plan=self.tenant.plan).annotate(phase_key=F("phase__key"))
        tasks = {task.pk: task for task in stored}
        by_key = {task.key: task for task in tasks.values()}
        chosen = [tasks[pk] for pk in pks]
        self._set_related(chosen)
        return [self._row(task, by_key) for task in chosen]

    def _row(self, task: Task, by_key: Mapping[str, Task]) -> ListedTask:
        # Without domains: their scope decides about transitions only.
        progress = TaskProgress.of(task, (), self._progress.get(task.pk, {}))
        return ListedTask(task, by_key, progress, self)

    def _set_related(self, tasks: Sequence[Task]) -> None:
        """Set the phases and the people, of which a list shows key, id and name."""
        ids = {getattr(task, f"{name}_id") for task in tasks for name in _PEOPLE} - {None}
        people = User.objects.only("public_id", "name").in_bulk(ids)
        for task in tasks:
            task.phase = Phase(pk=task.phase_id, key=task.phase_key)  # type: ignore[attr-defined]  # an annotation
            for name in _PEOPLE:
                if (pk := getattr(task, f"{name}_id")) is not None:
                    setattr(task, name, people[pk])


@dataclass(frozen=True)
class ListedTask:
    """One task of the list, with the names of `rows.TaskRow`."""

    task: Task
    by_key: Mapping[str, Task]
    progress: TaskProgress
    list: TaskList

    @property
    def open_dependencies(self) -> Sequence[Task]:
        """The tasks that it waits for. In a closed tenant no task waits any more."""
        if self.list.tenant.is_closed:
            return ()
        return open_dependencies_of(self.task, self.by_key)

    @property
    def evidence(self) -> TaskEvidence:
        return self.list.plan_context.evidence(self.task)

    @property
    def supporting(self) -> TaskEvidence:
        return self.list.plan_context.supporting_evidence(self.task)
