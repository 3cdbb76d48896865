"""Endpoints of an import of tenants: upload, preview, confirm, results."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.collaboration.uploads import was_too_large
from onboarding.error_responses import problem_of_forms
from onboarding.errors import OnboardingError
from onboarding.lifecycle.tenant_import import services
from onboarding.lifecycle.tenant_import.tasks import queue_tenant_import
from onboarding.lifecycle.views import tenant_import as pages
from onboarding.models import TenantImport
from onboarding.requirements import import_stages
from onboarding.requirements.api.imports import ConfirmationInput, ImportInput
from onboarding.requirements.forms import ImportForm
from tenants import database_time
from tenants.permissions import Permission
from tenants.rest.serializers import PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.throttle import limit_of


class TenantImportSerializer(ResourceSerializer):
    expandable = frozenset({"report"})

    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=TenantImport.Status.choices, read_only=True)
    is_stalled = serializers.SerializerMethodField()
    error = serializers.CharField(read_only=True)
    created_by = PersonSerializer(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    report = serializers.DictField(
        read_only=True,
        help_text="The companies with their problems, and after the import their results.",
    )

    def get_is_stalled(self, job: TenantImport) -> bool:
        return import_stages.is_stalled(job, now=database_time.now())


class TenantImportFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    status = django_filters.MultipleChoiceFilter(choices=TenantImport.Status.choices)

    class Meta:
        model = TenantImport
        fields: list[str] = []


class _TenantImportsView(ApiView):
    tag = "Imports of tenants"
    serializer_class = TenantImportSerializer

    def rows(self) -> QuerySet[TenantImport]:
        return TenantImport.objects.select_related("created_by").defer("content")

    def load(self) -> TenantImport:
        return found_or_404(self.rows(), self.kwargs["tenant_import_id"], "import")


class TenantImportListView(_TenantImportsView, ApiListView):
    permissions = {"GET": Permission.CREATE_TENANT, "POST": Permission.CREATE_TENANT}
    model = TenantImport
    filterset_class = TenantImportFilter
    parser_classes = [MultiPartParser]
    is_upload = True
    inputs = {"POST": ImportInput}
    statuses = {"POST": 202}
    outputs = {"POST": TenantImportSerializer}
    limits = {"POST": limit_of(pages.tenant_import)}
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)

    def get(self, request: Request) -> Response:
        """Your imports of the last day, newest first."""
        return self.listed(self.rows().filter(created_by=self.user))

    def post(self, request: Request) -> Response:
        """Upload a file with tenants, or paste rows.

        The body is a form. A worker reads it and stores a preview. No tenant exists before the
        confirmation.
        """
        form = ImportForm.of_request(
            self.validated(ImportInput), was_too_large=was_too_large(self.http_request)
        )
        if not form.is_valid():
            raise problem_of_forms(form)
        job = services.create_import(
            name=form.cleaned_data["name"], content=form.cleaned_data["content"], by=self.user
        )
        queue_tenant_import(job)
        return self.one(job, status=202)


class TenantImportView(_TenantImportsView):
    permissions = {"GET": Permission.CREATE_TENANT, "DELETE": Permission.CREATE_TENANT}
    statuses = {"DELETE": 204}

    def get(self, request: Request, tenant_import_id: str) -> Response:
        """One import, with `expand=report` its preview or its results."""
        return self.one(self.load())

    def delete(self, request: Request, tenant_import_id: str) -> Response:
        """Discard an import, unless a worker creates its tenants now."""
        if not services.discard_import(self.load()):
            raise OnboardingError(services.NOT_DISCARDED)
        return Response(status=204)


class TenantImportConfirmView(_TenantImportsView):
    permissions = {"POST": Permission.CREATE_TENANT}
    inputs = {"POST": ConfirmationInput}
    outputs = {"POST": TenantImportSerializer}
    statuses = {"POST": 202}

    def post(self, request: Request, tenant_import_id: str) -> Response:
        """Confirm the preview. A worker creates the tenants without errors."""
        job = self.load()
        self.validated(ConfirmationInput)
        services.confirm_import(job)
        queue_tenant_import(job)
        return self.one(self.load(), status=202)


_IMPORT = "tenant-imports/<str:tenant_import_id>"
urlpatterns = [
    path("tenant-imports/", TenantImportListView.as_view(), name="tenant-imports"),
    path(f"{_IMPORT}/", TenantImportView.as_view(), name="tenant-import"),
    path(f"{_IMPORT}/confirm/", TenantImportConfirmView.as_view(), name="tenant-import-confirm"),
]
