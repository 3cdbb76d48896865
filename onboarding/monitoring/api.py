"""Endpoints of the drifts of a tenant, and the reactions to them."""

from __future__ import annotations

import django_filters
from django import forms
from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.models import Drift
from onboarding.monitoring import drifts
from onboarding.monitoring.forms import DriftReasonForm, MuteForm, RegionAcceptanceForm
from tenants.permissions import Permission
from tenants.rest.filters import MomentFilter
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class DriftSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    kind = serializers.ChoiceField(choices=Drift.Kind.choices, read_only=True)
    subject = serializers.CharField(read_only=True)
    check_id = serializers.CharField(
        source="check_asked.public_id",
        read_only=True,
        default=None,
        allow_null=True,
        help_text="Its check.",
    )
    findings = serializers.ListField(child=serializers.JSONField(), read_only=True)
    opened_at = serializers.DateTimeField(read_only=True)
    closed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    resolution = serializers.ChoiceField(
        choices=Drift.Resolution.choices, allow_blank=True, read_only=True
    )
    acknowledged_at = serializers.DateTimeField(read_only=True, allow_null=True)
    acknowledged_by = PersonSerializer(read_only=True, allow_null=True)
    acknowledgement_reason = serializers.CharField(read_only=True)
    muted_until = serializers.DateTimeField(read_only=True, allow_null=True)


class DriftReasonInput(InputSerializer):
    reason = serializers.CharField(max_length=5000)


class DriftMuteInput(InputSerializer):
    until = serializers.DateField(
        help_text="The last day without notifications, in the tenant's time zone."
    )


class DriftUnmuteInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class DriftFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    open = django_filters.BooleanFilter(field_name="closed_at", lookup_expr="isnull")
    kind = django_filters.ChoiceFilter(choices=Drift.Kind.choices)
    changed_since = MomentFilter(field_name="opened_at", lookup_expr="gte")

    class Meta:
        model = Drift
        fields: list[str] = []


class _DriftsView(ApiView):
    tag = "Drift"
    serializer_class = DriftSerializer

    def rows(self) -> QuerySet[Drift]:
        rows = Drift.objects.filter(tenant=self.tenant)
        return rows.select_related("check_asked", "acknowledged_by", "tenant__plan")

    def load(self) -> Drift:
        return found_or_404(self.rows(), self.kwargs["drift_id"], "drift")


class DriftListView(_DriftsView, ApiListView):
    permissions = {"GET": Permission.VIEW}
    model = Drift
    filterset_class = DriftFilter
    ordering = ("-opened_at",)
    ordering_fields = ("opened_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The drifts of a tenant since its go-live, newest first."""
        return self.listed(self.rows())


class DriftView(_DriftsView):
    permissions = {"GET": Permission.VIEW}

    def get(self, request: Request, public_id: str, drift_id: str) -> Response:
        """One drift, with its ETag."""
        drift = self.load()
        return self.one(drift, version=drift)


class _DriftActionView(_DriftsView):
    versioned = frozenset({"POST"})

    def load_version(self) -> Drift:
        drift = self.load()
        self.require_version(drift)
        return drift

    def answer(self) -> Response:
        drift = self.load()
        return self.one(drift, version=drift)


class DriftAcknowledgeView(_DriftActionView):
    permissions = {"POST": Permission.ACKNOWLEDGE_DRIFT}
    inputs = {"POST": DriftReasonInput}

    def post(self, request: Request, public_id: str, drift_id: str) -> Response:
        """Acknowledge a drift with a reason. The monitoring continues."""
        drift = self.load_version()
        form = DriftReasonForm(self.validated(DriftReasonInput))
        _require_valid(form)
        drifts.acknowledge(drift, by=self.user, reason=form.cleaned_data["reason"])
        return self.answer()


class DriftAcceptView(_DriftActionView):
    permissions = {"POST": Permission.MANAGE_MONITORING}
    inputs = {"POST": DriftReasonInput}

    def post(self, request: Request, public_id: str, drift_id: str) -> Response:
        """Accept new values of the region as the baseline."""
        drift = self.load_version()
        form = RegionAcceptanceForm(self.validated(DriftReasonInput))
        _require_valid(form)
        drifts.accept_region_change(drift, by=self.user, reason=form.cleaned_data["reason"])
        return self.answer()


class DriftMuteView(_DriftActionView):
    permissions = {"POST": Permission.MANAGE_MONITORING}
    inputs = {"POST": DriftMuteInput}

    def post(self, request: Request, public_id: str, drift_id: str) -> Response:
        """Send no notification about a drift until the end of a day."""
        drift = self.load_version()
        form = MuteForm(self.validated(DriftMuteInput), tenant=self.tenant)
        _require_valid(form)
        drifts.mute(drift, by=self.user, until=form.cleaned_data["until"])
        return self.answer()


class DriftUnmuteView(_DriftActionView):
    permissions = {"POST": Permission.MANAGE_MONITORING}
    inputs = {"POST": DriftUnmuteInput}

    def post(self, request: Request, public_id: str, drift_id: str) -> Response:
        """Send notifications about a drift again."""
        drift = self.load_version()
        self.validated(DriftUnmuteInput)
        drifts.unmute(drift, by=self.user)
        return self.answer()


def _require_valid(form: forms.Form) -> None:
    if not form.is_valid():
        raise problem_of_forms(form)


_DRIFT = "drifts/<str:drift_id>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("drifts/", DriftListView.as_view(), name="drifts"),
    path(f"{_DRIFT}/", DriftView.as_view(), name="drift"),
    path(f"{_DRIFT}/acknowledge/", DriftAcknowledgeView.as_view(), name="drift-acknowledge"),
    path(f"{_DRIFT}/accept/", DriftAcceptView.as_view(), name="drift-accept"),
    path(f"{_DRIFT}/mute/", DriftMuteView.as_view(), name="drift-mute"),
    path(f"{_DRIFT}/unmute/", DriftUnmuteView.as_view(), name="drift-unmute"),
]
