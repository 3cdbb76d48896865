"""Endpoints of the plan, its phases, its tasks and their transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
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
from onboarding.models import Phase, Plan, Responsibility, Task, TaskStatus
from onboarding.plans import custom_tasks, services
from onboarding.plans.custom_tasks import CustomTaskContent
from onboarding.plans.field_services import fingerprint, load_field_rows, save_fields
from onboarding.plans.forms.custom_tasks import CustomTaskForm
from onboarding.plans.forms.task_fields import TaskFieldsForm
from onboarding.plans.queries import phases_of
from onboarding.plans.rows import TaskRow
from onboarding.plans.serializers import (
    BulkInput,
    BulkResultsSerializer,
    CustomTaskChangeInput,
    CustomTaskInput,
    PhaseSerializer,
    PlanSerializer,
    ReminderInput,
    ReminderSerializer,
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
from onboarding.plans.task_lists import TaskList
from onboarding.plans.tasks import REMIND_LIMIT, remind_now
from onboarding.plans.tenant_page import TenantPage, load_page
from tenants.access import check_permission
from tenants.permissions import Permission
from tenants.rest.filters import MomentFilter
from tenants.rest.problems import ApiError, invalid
from tenants.rest.serializers import ResourceSerializer
from tenants.rest.versions import check_precondition
from tenants.rest.views import SAFE_METHODS, ApiListView, ApiView, found_or_404
from tenants.tokens import site_url

# The expanded fields that depend on the reader's permitted transitions.
_FOR_THE_READER = frozenset({"transitions", "domains"})


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
    changed_since = MomentFilter(field_name="status_changed_at", lookup_expr="gte")
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

    def decorate(self, rows: list[Any]) -> list[Any]:
        by_pk = {row.task.pk: row for row in self.page.rows}
        return [by_pk[task.pk] for task in rows]

    def load_task(self, public_id: str) -> Task:
        rows = Task.objects.select_related("plan", "phase", "assignee")
        task = found_or_404(rows.filter(plan__tenant=self.tenant), public_id, "task")
        task.plan.tenant = self.tenant
        return task

    def row_of(self, task: Task) -> TaskRow:
        row: TaskRow = self.decorate([task])[0]
        return row

    def forget_page(self) -> None:
        """Read the plan again after a change."""
        self.__dict__.pop("page", None)

    def require_task_version(self, task: Task) -> None:
        row = self.row_of(task)
        current = etag_of_task(row.task, row.context.progress)
        check_precondition(self.request, current, lambda: self.represent(task))

    def make_transition(self, task: Task, key: str, values: Mapping[str, Any], etag: str) -> None:
        """Make one transition of a task at this version. Raises the errors of the API."""
        check_permission(self.http_request, permission_for(key), self.tenant.public_id)
        self.request.META["HTTP_IF_MATCH"] = etag
        self.require_task_version(task)
        actor = services.actor_of(self.access.role, self.user, is_closed=self.tenant.is_closed)
        apply(TaskRequest(self.tenant, task, self.user, actor, values), key)
        self.forget_page()

    def with_etag(self, task: Task, *, status: int = 200) -> Response:
        row = self.row_of(task)
        response = Response(self.get_serializer(row).data, status=status)
        response["ETag"] = etag_of_task(row.task, row.context.progress)
        return response


class TenantTaskListView(_TaskView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    model = Task
    filterset_class = TaskFilter
    inputs = {"POST": CustomTaskInput}
    statuses = {"POST": 201}
    ordering = ("position",)
    ordering_fields = ("position", "status_changed_at", "title", "status")

    def get(self, request: Request, public_id: str) -> Response:
        """The tasks of a tenant in the order of its plan, as the reader's plan page shows them."""
        # The page, or the list, reads the tasks.
        orders = (*self.ordering_fields, self.tie_break)
        return self.listed(Task.objects.filter(plan=self.tenant.plan).only(*orders))

    def decorate(self, rows: list[Any]) -> list[Any]:
        if self.request.method not in SAFE_METHODS or self.selection.expand & _FOR_THE_READER:
            return super().decorate(rows)
        return TaskList(self.tenant).rows(task.pk for task in rows)

    def post(self, request: Request, public_id: str) -> Response:
        """Add a custom task at the end of its phase."""
        content = custom_task_content(self.validated(CustomTaskInput), self.tenant.plan)
        made = custom_tasks.add_task(self.tenant.plan, content, by=self.user)
        return self.with_etag(self.load_task(made.public_id), status=201)


class TaskView(_TaskView):
    permissions = {
        "GET": Permission.VIEW,
        "PATCH": Permission.MANAGE_PLAN,
        "DELETE": Permission.MANAGE_PLAN,
    }
    inputs = {"PATCH": CustomTaskChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def get(self, request: Request, public_id: str, task_id: str) -> Response:
        """One task, with its ETag."""
        return self.with_etag(self.load_task(task_id))

    def patch(self, request: Request, public_id: str, task_id: str) -> Response:
        """Change a custom task. A task of the plan template changes with its template."""
        task = self.load_task(task_id)
        self.require_task_version(task)
        values, stored = self.validated(CustomTaskChangeInput), custom_tasks.content_of(task)
        content = custom_task_content(asdict(stored) | values, task.plan)
        custom_tasks.change_task(task, content, expected=stored.fingerprint, by=self.user)
        self.forget_page()
        return self.with_etag(self.load_task(task_id))

    def delete(self, request: Request, public_id: str, task_id: str) -> Response:
        """Remove a custom task without confirmations, comments and files."""
        task = self.load_task(task_id)
        self.require_task_version(task)
        custom_tasks.remove_task(task, by=self.user)
        return Response(status=204)


class TaskRemindView(_TaskView):
    permissions = {"POST": Permission.CONFIRM}
    serializer_class = ReminderSerializer
    inputs = {"POST": ReminderInput}
    limits = {"POST": REMIND_LIMIT}

    def post(self, request: Request, public_id: str, task_id: str) -> Response:
        """Remind the side that the task waits for, at most once a day."""
        task = self.load_task(task_id)
        self.validated(ReminderInput)
        made = remind_now(task, by=self.user, site_url=site_url(self.http_request))
        reminder = {"recipients": [each.recipient for each in made]}
        return Response(self.get_serializer(reminder).data)


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
    path_choices = {"transition": sorted(AVAILABLE)}

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


def custom_task_content(values: Mapping[str, Any], plan: Plan) -> CustomTaskContent:
    """The content of a custom task, by the form of the page."""
    form = CustomTaskForm(values, plan=plan)
    if not form.is_valid():
        raise problem_of_forms(form)
    return form.content()


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
    path(f"{_TASK}/remind/", TaskRemindView.as_view(), name="task-remind"),
    path(f"{_TASK}/run/", TaskRunView.as_view(), name="task-run"),
    path(f"{_TASK}/transitions/", TransitionListView.as_view(), name="transitions"),
    path(f"{_TASK}/transitions/<str:transition>/", TransitionView.as_view(), name="transition"),
]
