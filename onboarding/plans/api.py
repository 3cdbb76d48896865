"""Endpoints of the plan, its phases, its tasks and their transitions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import django_filters
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from checks.api import ChecksView, RunInput, RunRequestedSerializer
from checks.models import KIND_CHOICES, VERDICT_CHOICES, Check
from onboarding.error_responses import ServiceError, problem_of_forms, problem_response
from onboarding.models import Phase, Responsibility, Task, TaskStatus
from onboarding.plans import services
from onboarding.plans.field_services import fingerprint, load_field_rows, save_fields
from onboarding.plans.forms.task_fields import TaskFieldsForm
from onboarding.plans.queries import phases_of
from onboarding.plans.rows import TaskRow
from onboarding.plans.serializers import (
    BulkInput,
    BulkResultsSerializer,
    PhaseSerializer,
    PlanSerializer,
    TaskFieldSerializer,
    TaskFieldsInput,
    TaskSerializer,
    TaskSummarySerializer,
    TransitionInput,
    TransitionSerializer,
    etag_of_task,
    transitions_of,
)
from onboarding.plans.task_actions import AVAILABLE, TaskRequest, apply, permission_for
from onboarding.plans.task_checks import checks_of_task
from onboarding.plans.tenant_page import TenantPage, load_page
from tenants.access import check_permission
from tenants.permissions import Permission
from tenants.rest.problems import ApiError, invalid
from tenants.rest.serializers import ResourceSerializer
from tenants.rest.versions import check_precondition
from tenants.rest.views import ApiListView, ApiView, found_or_404


class PlanView(ApiView):
    tag = "Plans"
    permissions = {"GET": Permission.VIEW}
    serializer_class = PlanSerializer

    def get(self, request: Request, public_id: str) -> Response:
        """The plan of a tenant, with its counters."""
        return self.one(self.tenant.plan)


class PhaseListView(ApiListView):
    tag = "Plans"
    permissions = {"GET": Permission.VIEW}
    serializer_class = PhaseSerializer
    model = Phase
    ordering = ("position",)
    ordering_fields = ("position",)
    tie_break = "key"

    def get(self, request: Request, public_id: str) -> Response:
        """The phases of a plan, with their counters."""
        rows: QuerySet[Phase] = phases_of(self.tenant.plan)
        return self.listed(rows)


class TaskFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    status = django_filters.MultipleChoiceFilter(choices=TaskStatus.choices)
    waiting_on = django_filters.ChoiceFilter(
        choices=[(side.value, side.label) for side in Responsibility], method="filter_side"
    )
    due_before = django_filters.DateFilter(field_name="due_on", lookup_expr="lt")
    changed_since = django_filters.IsoDateTimeFilter(
        field_name="status_changed_at", lookup_expr="gte"
    )
    phase = django_filters.CharFilter(field_name="phase__key")
    assignee = django_filters.CharFilter(field_name="assignee__public_id")
    verdict = django_filters.ChoiceFilter(choices=VERDICT_CHOICES, method="filter_verdict")

    class Meta:
        model = Task
        fields: list[str] = []

    def filter_side(self, tasks: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        """A side also has to act where both have to."""
        wanted = {value} if value == Responsibility.BOTH else {value, Responsibility.BOTH.value}
        return tasks.filter(waiting_on__in=wanted)

    def filter_verdict(self, tasks: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        """Tasks of a plan in which a check of the task's kinds has this settled verdict."""
        found = Q(pk__in=[])
        for kind, _ in KIND_CHOICES:
            checks = Check.objects.filter(
                tenant=OuterRef("plan__tenant"), is_active=True, kind=kind, settled_verdict=value
            )
            found |= Q(Exists(checks), check_kinds__icontains=f'"{kind}"')
        return tasks.filter(found)


class TaskListView(ApiListView):
    tag = "Tasks"
    permissions = {"GET": Permission.OPEN_HOME}
    serializer_class = TaskSummarySerializer
    model = Task
    filterset_class = TaskFilter
    ordering = ("-status_changed_at",)
    ordering_fields = ("status_changed_at", "title", "status")

    def get(self, request: Request) -> Response:
        """The tasks of all open tenants that the reader can see."""
        tenants = self.tenants.filter(closed_at__isnull=True)
        rows = Task.objects.filter(plan__tenant__in=tenants)
        return self.listed(rows.select_related("phase", "assignee", "plan__tenant"))


class _TaskView(ApiView):
    """The common part of the endpoints of one plan's tasks."""

    tag = "Tasks"
    serializer_class: type[ResourceSerializer] = TaskSerializer

    @cached_property
    def page(self) -> TenantPage:
        return load_page(self.http_request, self.kwargs["public_id"])

    def decorate(self, rows: list[Any]) -> list[TaskRow]:
        by_pk = {row.task.pk: row for row in self.page.rows}
        return [by_pk[task.pk] for task in rows]

    def load_task(self, public_id: str) -> Task:
        rows = Task.objects.select_related("plan", "phase", "assignee")
        task = found_or_404(rows.filter(plan__tenant=self.tenant), public_id, "task")
        task.plan.tenant = self.tenant
        return task

    def row_of(self, task: Task) -> TaskRow:
        return self.decorate([task])[0]

    def forget_page(self) -> None:
        """Read the plan again after a change."""
        self.__dict__.pop("page", None)

    def make_transition(self, task: Task, key: str, values: Mapping[str, Any], etag: str) -> None:
        """Make one transition of a task at this version. Raises the errors of the API."""
        check_permission(self.http_request, permission_for(key), self.tenant.public_id)
        row = self.row_of(task)
        current = etag_of_task(row.task, row.context.progress)
        self.request.META["HTTP_IF_MATCH"] = etag
        check_precondition(self.request, current, lambda: self.represent(task))
        actor = services.actor_of(self.access.role, self.user, is_closed=self.tenant.is_closed)
        apply(TaskRequest(self.tenant, task, self.user, actor, values), key)
        self.forget_page()

    def with_etag(self, task: Task, *, status: int = 200) -> Response:
        row = self.row_of(task)
        response = Response(self.get_serializer(row).data, status=status)
        response["ETag"] = etag_of_task(row.task, row.context.progress)
        return response


class TenantTaskListView(_TaskView, ApiListView):
    permissions = {"GET": Permission.VIEW}
    model = Task
    filterset_class = TaskFilter
    ordering = ("position",)
    ordering_fields = ("position", "status_changed_at", "title", "status")

    def get(self, request: Request, public_id: str) -> Response:
        """The tasks of a tenant in the order of its plan, as the reader's plan page shows them."""
        return self.listed(Task.objects.filter(plan=self.tenant.plan))


class TaskView(_TaskView):
    permissions = {"GET": Permission.VIEW}

    def get(self, request: Request, public_id: str, task_id: str) -> Response:
        """One task, with its ETag."""
        return self.with_etag(self.load_task(task_id))


class TaskFieldsView(_TaskView):
    permissions = {"GET": Permission.VIEW, "PATCH": Permission.CONFIRM}
    serializer_class = TaskFieldSerializer
    inputs = {"PATCH": TaskFieldsInput}
    outputs = {"GET": TaskFieldSerializer(many=True), "PATCH": TaskFieldSerializer(many=True)}
    versioned = frozenset({"PATCH"})

    def get(self, request: Request, public_id: str, task_id: str) -> Response:
        """The typed fields of a task, with the ETag of the task."""
        return self.answer(self.load_task(task_id))

    def patch(self, request: Request, public_id: str, task_id: str) -> Response:
        """Save typed fields of a task. Missing fields remain unchanged."""
        task = self.load_task(task_id)
        check_precondition(request, self.etag(task), lambda: self.fields_of(task))
        values = self.validated(TaskFieldsInput)["values"]
        rows = load_field_rows(task, self.tenant)
        stored = {row.name: row.text for row in rows}
        form = TaskFieldsForm(stored | values, rows=rows, tenant=self.tenant, key=task.key)
        unknown = sorted(set(values) - set(form.rows))
        if unknown:
            raise invalid({name: ["Unknown field."] for name in unknown})
        if not form.is_valid():
            raise problem_of_forms(form)
        actor = services.actor_of(self.access.role, self.user, is_closed=self.tenant.is_closed)
        save_fields(task, form.values(), by=self.user, actor=actor, expected=fingerprint(rows))
        self.forget_page()
        return self.answer(self.load_task(task_id))

    def etag(self, task: Task) -> str:
        row = self.row_of(task)
        return etag_of_task(row.task, row.context.progress)

    def fields_of(self, task: Task) -> Any:
        return self.get_serializer(load_field_rows(task, self.tenant), many=True).data

    def answer(self, task: Task) -> Response:
        return Response(self.fields_of(task), headers={"ETag": self.etag(task)})


class TaskRunView(ChecksView):
    permissions = {"POST": Permission.RUN_CHECKS}
    inputs = {"POST": RunInput}
    outputs = {"POST": RunRequestedSerializer}
    statuses = {"POST": 202}

    def post(self, request: Request, public_id: str, task_id: str) -> Response:
        """Run the checks of a task now, also those that only support it."""
        rows = Task.objects.filter(plan__tenant=self.tenant).select_related("plan")
        task = found_or_404(rows, task_id, "task")
        return self.request_runs(list(checks_of_task(task, self.tenant)), task.title)


class TransitionListView(_TaskView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = TransitionSerializer
    outputs = {"GET": TransitionSerializer(many=True)}

    def get(self, request: Request, public_id: str, task_id: str) -> Response:
        """The transitions of a task, each with the reason why the reader may not make it."""
        row = self.row_of(self.load_task(task_id))
        return Response(self.get_serializer(transitions_of(row), many=True).data)


class TransitionView(_TaskView):
    permissions = {"POST": Permission.CONFIRM}
    inputs = {"POST": TransitionInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, task_id: str, transition: str) -> Response:
        """Make a transition of a task.

        `transition` is the key of a transition, such as `confirm`. The response is the task.
        """
        task = self.load_task(task_id)
        if transition not in AVAILABLE:
            raise Http404("No such transition.")
        etag = str(request.META.get("HTTP_IF_MATCH", ""))
        self.make_transition(task, transition, self.validated(TransitionInput), etag)
        return self.with_etag(task)


class BulkTransitionView(_TaskView):
    permissions = {"POST": Permission.CONFIRM}
    inputs = {"POST": BulkInput}
    outputs = {"POST": BulkResultsSerializer}

    def post(self, request: Request, public_id: str) -> Response:
        """Make transitions of several tasks, with one result for each item.

        A refused item changes nothing and does not stop the others.
        """
        items = self.validated(BulkInput)["items"]
        return Response({"results": [self._result(item) for item in items]})

    def _result(self, item: dict[str, Any]) -> dict[str, Any]:
        values = dict(item)
        task_id, key, etag = (values.pop(name) for name in ("task", "transition", "if_match"))
        try:
            with transaction.atomic():
                if key not in AVAILABLE:
                    raise Http404("No such transition.")
                task = self.load_task(task_id)
                self.make_transition(task, key, values, etag)
                return {"task": task_id, "status": 200, "result": self.represent(task)}
        except (ApiError, Http404, PermissionDenied, *ServiceError.__args__) as error:
            self.forget_page()
            refused = problem_response(error, {})
            assert refused is not None, "the errors above have a response"
            return {"task": task_id, "status": refused.status_code, "result": refused.data}


urlpatterns = [
    path("tasks/", TaskListView.as_view(), name="tasks"),
]
_TASK = "tasks/<str:task_id>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("plan/", PlanView.as_view(), name="plan"),
    path("phases/", PhaseListView.as_view(), name="phases"),
    path("tasks/", TenantTaskListView.as_view(), name="tenant-tasks"),
    path("tasks/transitions/", BulkTransitionView.as_view(), name="tasks-transitions"),
    path(f"{_TASK}/", TaskView.as_view(), name="task"),
    path(f"{_TASK}/fields/", TaskFieldsView.as_view(), name="task-fields"),
    path(f"{_TASK}/run/", TaskRunView.as_view(), name="task-run"),
    path(f"{_TASK}/transitions/", TransitionListView.as_view(), name="transitions"),
    path(f"{_TASK}/transitions/<str:transition>/", TransitionView.as_view(), name="transition"),
]
