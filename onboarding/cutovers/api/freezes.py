"""Endpoints of the freezes, of one tenant and of all tenants, and of Mimecast's holidays."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.cutovers import freezes
from onboarding.error_responses import problem_of_forms
from onboarding.models import Freeze, Holiday
from onboarding.plans.api.schedule import HolidayInput, HolidaysView
from onboarding.plans.forms.dates import DAY_ERRORS, FreezeForm
from tenants.permissions import Permission
from tenants.rest.problems import ApiError
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404

_OF_ALL_TENANTS = "This freeze applies to all tenants. Remove it from the freezes of all tenants."


class FreezeSerializer(ResourceSerializer):
    """Days without changes, in each tenant's time zone."""

    id = serializers.CharField(source="public_id", read_only=True)
    first_day = serializers.DateField(read_only=True)
    last_day = serializers.DateField(read_only=True, help_text="Inclusive.")
    reason = serializers.CharField(read_only=True)
    is_of_all_tenants = serializers.SerializerMethodField()

    def get_is_of_all_tenants(self, freeze: Freeze) -> bool:
        return freeze.tenant_id is None


class FreezeInput(InputSerializer):
    first_day = serializers.DateField(error_messages=DAY_ERRORS)
    last_day = serializers.DateField(error_messages=DAY_ERRORS, help_text="Inclusive.")
    reason = serializers.CharField(max_length=80)


class _FreezesView(ApiView):
    tag = "Schedule"
    serializer_class = FreezeSerializer

    def add(self, freeze: Freeze) -> Response:
        form = FreezeForm(self.validated(FreezeInput), instance=freeze)
        if not form.is_valid():
            raise problem_of_forms(form)
        freezes.add_freeze(form.instance, by=self.user)
        return self.one(form.instance, status=201)


class FreezeListView(_FreezesView, ApiListView):
    permissions = {"GET": Permission.EDIT_GLOBAL_FREEZES, "POST": Permission.EDIT_GLOBAL_FREEZES}
    model = Freeze
    inputs = {"POST": FreezeInput}
    statuses = {"POST": 201}
    ordering = ("first_day",)
    ordering_fields = ("first_day", "last_day")

    def get(self, request: Request) -> Response:
        """The freezes of all tenants."""
        return self.listed(freezes.installation_freezes())

    def post(self, request: Request) -> Response:
        """Add a freeze of all tenants."""
        return self.add(Freeze())


class FreezeView(_FreezesView):
    permissions = {"GET": Permission.EDIT_GLOBAL_FREEZES, "DELETE": Permission.EDIT_GLOBAL_FREEZES}
    statuses = {"DELETE": 204}

    def load(self) -> Freeze:
        return found_or_404(
            freezes.installation_freezes(), self.kwargs["common_freeze_id"], "freeze"
        )

    def get(self, request: Request, common_freeze_id: str) -> Response:
        """One freeze of all tenants."""
        return self.one(self.load())

    def delete(self, request: Request, common_freeze_id: str) -> Response:
        """Remove a freeze of all tenants."""
        freezes.remove_freeze(self.load(), by=self.user)
        return Response(status=204)


class TenantFreezeListView(_FreezesView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    model = Freeze
    inputs = {"POST": FreezeInput}
    statuses = {"POST": 201}
    ordering = ("first_day",)
    ordering_fields = ("first_day", "last_day")

    def get(self, request: Request, public_id: str) -> Response:
        """The freezes that apply to a tenant: its own and those of all tenants."""
        return self.listed(freezes.freezes_for(self.tenant))

    def post(self, request: Request, public_id: str) -> Response:
        """Add a freeze of one tenant."""
        return self.add(Freeze(tenant=self.tenant))


class TenantFreezeView(_FreezesView):
    permissions = {"GET": Permission.VIEW, "DELETE": Permission.MANAGE_PLAN}
    statuses = {"DELETE": 204}

    def load(self) -> Freeze:
        rows: QuerySet[Freeze] = freezes.freezes_for(self.tenant)
        return found_or_404(rows, self.kwargs["freeze_id"], "freeze")

    def get(self, request: Request, public_id: str, freeze_id: str) -> Response:
        """One freeze that applies to a tenant."""
        return self.one(self.load())

    def delete(self, request: Request, public_id: str, freeze_id: str) -> Response:
        """Remove a freeze of one tenant."""
        freeze = self.load()
        if freeze.tenant_id is None:
            raise ApiError(409, _OF_ALL_TENANTS)
        freezes.remove_freeze(freeze, by=self.user)
        return Response(status=204)


class MimecastHolidayListView(HolidaysView, ApiListView):
    permissions = {"GET": Permission.EDIT_GLOBAL_FREEZES, "POST": Permission.EDIT_GLOBAL_FREEZES}
    model = Holiday
    inputs = {"POST": HolidayInput}
    statuses = {"POST": 201}
    ordering = ("day",)
    ordering_fields = ("day",)

    def get(self, request: Request) -> Response:
        """The days on which Mimecast does not work."""
        return self.listed(freezes.mimecast_holidays())

    def post(self, request: Request) -> Response:
        """Add a holiday of Mimecast."""
        holiday = self.read_holiday(Holiday())
        freezes.add_mimecast_holiday(holiday, by=self.user)
        return self.one(holiday, status=201)


class MimecastHolidayView(HolidaysView):
    permissions = {"GET": Permission.EDIT_GLOBAL_FREEZES, "DELETE": Permission.EDIT_GLOBAL_FREEZES}
    statuses = {"DELETE": 204}

    def load(self) -> Holiday:
        rows = freezes.mimecast_holidays()
        return found_or_404(rows, self.kwargs["common_holiday_id"], "holiday")

    def get(self, request: Request, common_holiday_id: str) -> Response:
        """One holiday of Mimecast."""
        return self.one(self.load())

    def delete(self, request: Request, common_holiday_id: str) -> Response:
        """Remove a holiday of Mimecast."""
        freezes.remove_mimecast_holiday(self.load(), by=self.user)
        return Response(status=204)


urlpatterns = [
    path("freezes/", FreezeListView.as_view(), name="freezes"),
    path("freezes/<str:common_freeze_id>/", FreezeView.as_view(), name="freeze"),
    path("mimecast-holidays/", MimecastHolidayListView.as_view(), name="mimecast-holidays"),
    path(
        "mimecast-holidays/<str:common_holiday_id>/",
        MimecastHolidayView.as_view(),
        name="mimecast-holiday",
    ),
]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("freezes/", TenantFreezeListView.as_view(), name="tenant-freezes"),
    path("freezes/<str:freeze_id>/", TenantFreezeView.as_view(), name="tenant-freeze"),
]
