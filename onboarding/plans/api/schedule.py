"""Endpoints of the schedule: working time, holidays of the tenant, and the original schedule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.models import Holiday, Plan, WorkingTime
from onboarding.plans import calendars, dates
from onboarding.plans.forms.dates import DAY_ERRORS, HolidayForm, WorkingTimeForm
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


@extend_schema_field({"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]$"})
class ClockTimeField(serializers.TimeField):
    """A time of the clock, such as 08:30. OpenAPI's format `time` has an offset (RFC 3339)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format="%H:%M", input_formats=["%H:%M"], **options)


class WorkingTimeSerializer(ResourceSerializer):
    weekdays = serializers.SerializerMethodField(help_text="0 is Monday.")
    opens = ClockTimeField(read_only=True, help_text="In the tenant's time zone.")
    closes = ClockTimeField(read_only=True, help_text="In the tenant's time zone.")
    remind_after_working_days = serializers.IntegerField(
        read_only=True, help_text="0: Gangway sends no automatic reminder."
    )

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_weekdays(self, working_time: WorkingTime) -> list[int]:
        return [int(digit) for digit in working_time.weekdays]


class WorkingTimeInput(InputSerializer):
    """A missing value remains unchanged."""

    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), required=False, max_length=7
    )
    opens = ClockTimeField(required=False)
    closes = ClockTimeField(required=False)
    remind_after_working_days = serializers.IntegerField(
        required=False, min_value=0, max_value=32767
    )


class WorkingTimeView(ApiView):
    tag = "Schedule"
    permissions = {"GET": Permission.VIEW, "PATCH": Permission.MANAGE_PLAN}
    serializer_class = WorkingTimeSerializer
    inputs = {"PATCH": WorkingTimeInput}
    versioned = frozenset({"PATCH"})

    def get(self, request: Request, public_id: str) -> Response:
        """The working time of a tenant, with its ETag."""
        found = calendars.working_time_of(self.tenant)
        return self.one(found, version=found)

    def patch(self, request: Request, public_id: str) -> Response:
        """Change the working time. The due dates of the plan follow it."""
        stored = calendars.working_time_of(self.tenant)
        self.require_version(stored)
        values = self.validated(WorkingTimeInput)
        entered = {name: getattr(stored, name) for name in WorkingTimeForm.Meta.fields} | values
        entered["weekdays"] = [str(day) for day in entered["weekdays"]]
        form = WorkingTimeForm(entered, instance=stored)
        _require_valid(form)
        calendars.save_working_time(form.save(commit=False), by=self.user)
        stored.refresh_from_db()
        return self.one(stored, version=stored)


class HolidaySerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    day = serializers.DateField(read_only=True)
    name = serializers.CharField(read_only=True)


class HolidayInput(InputSerializer):
    day = serializers.DateField(error_messages=DAY_ERRORS)
    name = serializers.CharField(max_length=80)


class HolidaysView(ApiView):
    """The common part of the endpoints of holidays."""

    tag = "Schedule"
    serializer_class = HolidaySerializer

    def read_holiday(self, holiday: Holiday) -> Holiday:
        """The holiday of the body, by the form of the page."""
        form = HolidayForm(self.validated(HolidayInput), instance=holiday)
        _require_valid(form)
        return form.save(commit=False)


class HolidayListView(HolidaysView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    model = Holiday
    inputs = {"POST": HolidayInput}
    statuses = {"POST": 201}
    ordering = ("day",)
    ordering_fields = ("day",)

    def get(self, request: Request, public_id: str) -> Response:
        """The days on which the client does not work."""
        return self.listed(_holidays(self.tenant.pk))

    def post(self, request: Request, public_id: str) -> Response:
        """Add a holiday of the client. The due dates of the plan follow it."""
        holiday = self.read_holiday(Holiday(tenant=self.tenant))
        calendars.add_holiday(self.tenant, holiday, by=self.user)
        return self.one(holiday, status=201)


class HolidayView(HolidaysView):
    permissions = {"GET": Permission.VIEW, "DELETE": Permission.MANAGE_PLAN}
    statuses = {"DELETE": 204}

    def load(self) -> Holiday:
        return found_or_404(_holidays(self.tenant.pk), self.kwargs["holiday_id"], "holiday")

    def get(self, request: Request, public_id: str, holiday_id: str) -> Response:
        """One holiday of the client."""
        return self.one(self.load())

    def delete(self, request: Request, public_id: str, holiday_id: str) -> Response:
        """Remove a holiday of the client."""
        calendars.remove_holiday(self.tenant, self.load(), by=self.user)
        return Response(status=204)


class OriginalScheduleInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class OriginalScheduleSerializer(ResourceSerializer):
    tasks = serializers.IntegerField(read_only=True, help_text="The tasks with a stored due date.")


class OriginalScheduleView(ApiView):
    tag = "Schedule"
    permissions = {"POST": Permission.MANAGE_PLAN}
    serializer_class = OriginalScheduleSerializer
    inputs = {"POST": OriginalScheduleInput}

    def post(self, request: Request, public_id: str) -> Response:
        """Store the present due dates as the original schedule."""
        self.validated(OriginalScheduleInput)
        plan = Plan.objects.select_related("tenant").get(tenant=self.tenant)
        dates.save_original_schedule(plan, by=self.user)
        return self.one({"tasks": plan.tasks.filter(original_due_on__isnull=False).count()})


def _holidays(tenant_pk: int) -> QuerySet[Holiday]:
    return Holiday.objects.filter(tenant=tenant_pk)


def _require_valid(form: forms.ModelForm[Any]) -> None:
    if not form.is_valid():
        raise problem_of_forms(form)


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("working-time/", WorkingTimeView.as_view(), name="working-time"),
    path("holidays/", HolidayListView.as_view(), name="holidays"),
    path("holidays/<str:holiday_id>/", HolidayView.as_view(), name="holiday"),
    path("original-schedule/", OriginalScheduleView.as_view(), name="original-schedule"),
]
