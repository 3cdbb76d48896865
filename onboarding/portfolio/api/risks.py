"""Endpoint of the risks of all tenants."""

from __future__ import annotations

from typing import Any

import django_filters
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.models import PlanRisk
from onboarding.portfolio import risk_updates
from onboarding.portfolio.risk_list import url_of
from onboarding.portfolio.risks import sentence_of
from tenants.permissions import Permission
from tenants.rest.serializers import ResourceSerializer
from tenants.rest.views import ApiListView


class RiskSerializer(ResourceSerializer):
    tenant = serializers.CharField(source="plan.tenant.public_id", read_only=True)
    code = serializers.ChoiceField(choices=PlanRisk.Code.choices, read_only=True)
    sentence = serializers.SerializerMethodField(help_text="The sentence of the page.")
    path = serializers.SerializerMethodField(help_text="The page where a person can act on it.")
    since = serializers.DateTimeField(read_only=True)
    cutover_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="The start of the window that it concerns."
    )

    def get_sentence(self, risk: PlanRisk) -> str:
        return sentence_of(risk.code, risk.params)

    def get_path(self, risk: PlanRisk) -> str:
        return url_of(risk, risk.plan.tenant.public_id)


class RiskFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    tenant = django_filters.CharFilter(field_name="plan__tenant__public_id")
    code = django_filters.ChoiceFilter(choices=PlanRisk.Code.choices)

    class Meta:
        model = PlanRisk
        fields: list[str] = []


class RiskListView(ApiListView):
    tag = "Tenants"
    permissions = {"GET": Permission.VIEW_DASHBOARD}
    serializer_class = RiskSerializer
    model = PlanRisk
    filterset_class = RiskFilter
    ordering = ("since",)
    ordering_fields = ("since",)
    tie_break = "pk"

    def get(self, request: Request) -> Response:
        """The risks of all tenants that the reader can see, as on the dashboard."""
        risk_updates.refresh(self.tenants)
        rows: Any = PlanRisk.objects.filter(plan__tenant__in=self.tenants)
        return self.listed(rows.select_related("plan__tenant"))


urlpatterns = [path("risks/", RiskListView.as_view(), name="risks")]
