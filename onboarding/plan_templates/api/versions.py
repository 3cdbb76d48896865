"""Endpoints of the published versions of the plan template. They are read-only."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.models import PlanTemplate
from onboarding.plan_templates.content import as_content
from onboarding.plan_templates.registry import template_version_of
from tenants.permissions import Permission
from tenants.rest.serializers import PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView


class PlanTemplateSerializer(ResourceSerializer):
    expandable = frozenset({"content"})

    version = serializers.IntegerField(read_only=True)
    builtin_version = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Null for a version that a person published."
    )
    loaded_at = serializers.DateTimeField(read_only=True)
    note = serializers.CharField(read_only=True)
    published_by = PersonSerializer(read_only=True, allow_null=True)
    content = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_content(self, template: PlanTemplate) -> dict[str, Any]:
        """The phases and tasks, in the structure of the template file."""
        return as_content(template_version_of(template))


class PlanTemplateListView(ApiListView):
    tag = "Plan templates"
    permissions = {"GET": Permission.EDIT_TEMPLATES}
    serializer_class = PlanTemplateSerializer
    model = PlanTemplate
    ordering = ("-version",)
    ordering_fields = ("version",)
    tie_break = "version"

    def get(self, request: Request) -> Response:
        """The published versions of the plan template, newest first."""
        return self.listed(PlanTemplate.objects.select_related("published_by"))


class PlanTemplateView(ApiView):
    tag = "Plan templates"
    permissions = {"GET": Permission.EDIT_TEMPLATES}
    serializer_class = PlanTemplateSerializer

    def get(self, request: Request, template_version: str) -> Response:
        """One version of the plan template."""
        is_number = template_version.isascii() and template_version.isdecimal()
        number = int(template_version[:9]) if is_number else 0
        rows = PlanTemplate.objects.select_related("published_by")
        found = rows.filter(version=number).first()
        if found is None:
            raise Http404("No such version.")
        return self.one(found)


urlpatterns = [
    path("plan-templates/", PlanTemplateListView.as_view(), name="plan-templates"),
    path(
        "plan-templates/<str:template_version>/", PlanTemplateView.as_view(), name="plan-template"
    ),
]
