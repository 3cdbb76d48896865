"""Endpoints of the exports of the mail platform."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checks.engine.sources.exports.texts import MAX_BYTES
from checks.engine.sources.registry import SOURCES
from checks.engine.sources.rules import ProofSource
from checks.models import SubmittedExport
from checks.submitted_exports import EXPORT_LIMIT, sources_of
from onboarding.error_responses import problem_of_forms
from onboarding.platform_exports.forms import ExportForm
from onboarding.platform_exports.problems import problem_sentence
from onboarding.platform_exports.services import submit_platform_export
from onboarding.platform_exports.tasks import read_export
from tenants.permissions import Permission
from tenants.rest.problems import invalid
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, found_or_404


class PlatformExportSerializer(ResourceSerializer):
    """A submitted export. Gangway stores the listed settings of it, and deletes its text."""

    id = serializers.CharField(source="public_id", read_only=True)
    source = serializers.CharField(  # type: ignore[assignment]  # a field of the resource
        read_only=True
    )
    size = serializers.IntegerField(read_only=True, help_text="In bytes.")
    sha256 = serializers.CharField(read_only=True)
    submitted_by = PersonSerializer(read_only=True, allow_null=True)
    submitted_at = serializers.DateTimeField(read_only=True)
    read_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null while it waits for a worker."
    )
    obtained_at = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="The time of its facts; null if it is unreadable.",
    )
    problem = serializers.SerializerMethodField(help_text="Empty for a readable export.")

    @extend_schema_field(str)
    def get_problem(self, export: SubmittedExport) -> str:
        return problem_sentence(export.problem, export.problem_detail)


class PlatformExportInput(InputSerializer):
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field of the body
        choices=[(key, source.title) for key, source in SOURCES.items()]
    )
    text = serializers.CharField(
        max_length=MAX_BYTES, trim_whitespace=False, help_text="The content of the script’s file."
    )


class PlatformExportListView(ApiListView):
    tag = "Checks"
    permissions = {"GET": Permission.VIEW, "POST": Permission.RUN_CHECKS}
    serializer_class = PlatformExportSerializer
    model = SubmittedExport
    inputs = {"POST": PlatformExportInput}
    limits = {"POST": EXPORT_LIMIT}
    statuses = {"POST": 201}
    ordering = ("-submitted_at",)
    ordering_fields = ("submitted_at",)

    def rows(self) -> QuerySet[SubmittedExport]:
        shown = SubmittedExport.objects.filter(tenant=self.tenant).defer("content", "tables")
        return shown.select_related("submitted_by")

    def source_of(self, key: str) -> ProofSource:
        for source in sources_of(self.tenant):
            if source.key == key:
                return source
        raise invalid({"source": ["It is no source for the tenant’s mail platform."]})

    def get(self, request: Request, public_id: str) -> Response:
        """The submitted exports of the mail platform, newest first, without their content."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Submit an export. A worker reads it, and the checks of its source run at once."""
        values = self.validated(PlatformExportInput)
        source = self.source_of(values["source"])
        form = ExportForm({"text": values["text"]})
        if not form.is_valid():
            raise problem_of_forms(form)
        export = submit_platform_export(
            self.tenant.plan, source, form.cleaned_data["content"], by=self.user, task=read_export
        )
        return self.one(found_or_404(self.rows(), export.public_id, "export"), status=201)


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("platform-exports/", PlatformExportListView.as_view(), name="platform-exports"),
]
