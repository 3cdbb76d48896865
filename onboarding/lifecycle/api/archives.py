"""Endpoints of archives: request, download, import, and start an imported tenant."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.collaboration.uploads import permit_archives, was_too_large
from onboarding.error_responses import problem_of_forms
from onboarding.errors import OnboardingError
from onboarding.lifecycle import exports
from onboarding.lifecycle.api.offboarding import ArchiveSerializer, ExportsView, RequestInput
from onboarding.lifecycle.api.tenants import TenantSerializer
from onboarding.lifecycle.archive import imports, starting
from onboarding.lifecycle.archive.tasks import queue_archive_import
from onboarding.lifecycle.forms.archive import ArchiveForm
from onboarding.lifecycle.tasks import queue_export
from onboarding.lifecycle.views import archive as pages
from onboarding.models import ArchiveImport, TenantExport
from tenants import database_time
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.throttle import limit_of


class JsonArchiveSerializer(ArchiveSerializer):
    sha256 = serializers.CharField(
        read_only=True, help_text="SHA-256 of the file; empty until it is ready."
    )
    error = serializers.CharField(
        read_only=True, help_text="The reason why the archive could not be built; or empty."
    )


class _ArchivesView(ExportsView):
    tag = "Archives"
    serializer_class: type[ResourceSerializer] = JsonArchiveSerializer
    file_format = TenantExport.Format.ARCHIVE


class ArchiveListView(_ArchivesView, ApiListView):
    permissions = {"GET": Permission.ARCHIVE_TENANT, "POST": Permission.ARCHIVE_TENANT}
    model = TenantExport
    inputs = {"POST": RequestInput}
    statuses = {"POST": 202}
    outputs = {"POST": JsonArchiveSerializer}
    limits = {"POST": limit_of(pages.archive_request)}
    ordering = ("-requested_at",)
    ordering_fields = ("requested_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The archives of a tenant for another installation, newest first."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Request the archive of a tenant. A worker builds it, and deletes the earlier one."""
        self.validated(RequestInput)
        archive = exports.request_export(self.tenant, by=self.user, file_format=self.file_format)
        queue_export(archive)
        return self.one(archive, status=202)


class ArchiveContentView(_ArchivesView):
    permissions = {"GET": Permission.ARCHIVE_TENANT}
    serializer_class = None  # type: ignore[assignment]  # the content has a format of its own
    administrative = frozenset({"GET"})

    def get(self, request: Request, public_id: str, archive_id: str) -> Any:
        """The archive, as a download. The activity log names it."""
        found_or_404(self.rows().exclude(ready_at=None), archive_id, "archive")
        return pages.archive_show(self.http_request, public_id=public_id, archive_id=archive_id)


class ChecksStartView(ApiView):
    tag = "Archives"
    permissions = {"POST": Permission.CLOSE_TENANT}
    serializer_class = TenantSerializer
    inputs = {"POST": RequestInput}

    def post(self, request: Request, public_id: str) -> Response:
        """Start the checks of an imported tenant whose implementation is complete.

        An imported tenant with an open implementation starts when it is reopened.
        """
        self.validated(RequestInput)
        starting.start_checks(self.tenant, by=self.user)
        rows = Tenant.objects.select_related("consultant", "plan__template")
        return self.one(rows.get(pk=self.tenant.pk))


class ArchiveInput(InputSerializer):
    file = serializers.FileField(
        required=False, allow_empty_file=True, help_text="The JSON archive of a tenant."
    )


class ArchiveImportSerializer(ResourceSerializer):
    expandable = frozenset({"report"})

    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=ArchiveImport.Status.choices, read_only=True)
    is_stalled = serializers.SerializerMethodField()
    size = serializers.IntegerField(read_only=True, help_text="In bytes.")
    sha256 = serializers.CharField(read_only=True)
    rows = serializers.IntegerField(read_only=True, help_text="The verified rows so far.")
    error = serializers.CharField(read_only=True)
    tenant = serializers.CharField(
        source="tenant.public_id",
        read_only=True,
        default=None,
        allow_null=True,
        help_text="The id of the imported tenant.",
    )
    created_by = PersonSerializer(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    report = serializers.DictField(
        read_only=True, help_text="The content of the archive, and the reason against its import."
    )

    def get_is_stalled(self, job: ArchiveImport) -> bool:
        return imports.is_stalled(job, now=database_time.now())


class ArchiveImportFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    status = django_filters.MultipleChoiceFilter(choices=ArchiveImport.Status.choices)

    class Meta:
        model = ArchiveImport
        fields: list[str] = []


class _ArchiveImportsView(ApiView):
    tag = "Archives"
    serializer_class = ArchiveImportSerializer

    def rows(self) -> QuerySet[ArchiveImport]:
        return ArchiveImport.objects.select_related("created_by", "tenant")

    def load(self) -> ArchiveImport:
        return found_or_404(self.rows(), self.kwargs["archive_import_id"], "import")


class ArchiveImportListView(_ArchiveImportsView, ApiListView):
    permissions = {"GET": Permission.IMPORT_ARCHIVES, "POST": Permission.IMPORT_ARCHIVES}
    model = ArchiveImport
    filterset_class = ArchiveImportFilter
    parser_classes = [MultiPartParser]
    is_upload = True
    inputs = {"POST": ArchiveInput}
    statuses = {"POST": 202}
    outputs = {"POST": ArchiveImportSerializer}
    limits = {"POST": limit_of(pages.archive_import)}
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        permit_archives(self.http_request)

    def get(self, request: Request) -> Response:
        """The imports of archives of the last day, newest first."""
        return self.listed(self.rows())

    def post(self, request: Request) -> Response:
        """Upload an archive.

        The body is a form. A worker verifies the archive and stores a preview. No tenant exists
        before the confirmation.
        """
        form = ArchiveForm.of_request(
            self.validated(ArchiveInput), was_too_large=was_too_large(self.http_request)
        )
        if not form.is_valid():
            raise problem_of_forms(form)
        file = form.cleaned_data["file"]
        job = imports.create_import(name=file.name, file=file, by=self.user)
        queue_archive_import(job)
        return self.one(job, status=202)


class ArchiveImportView(_ArchiveImportsView):
    permissions = {"GET": Permission.IMPORT_ARCHIVES, "DELETE": Permission.IMPORT_ARCHIVES}
    statuses = {"DELETE": 204}

    def get(self, request: Request, archive_import_id: str) -> Response:
        """One import, with `expand=report` its preview."""
        return self.one(self.load())

    def delete(self, request: Request, archive_import_id: str) -> Response:
        """Discard an import, unless a worker imports the tenant now."""
        if not imports.discard_import(self.load()):
            raise OnboardingError(imports.NOT_DISCARDED)
        return Response(status=204)


class ArchiveImportConfirmView(_ArchiveImportsView):
    permissions = {"POST": Permission.IMPORT_ARCHIVES}
    inputs = {"POST": RequestInput}
    outputs = {"POST": ArchiveImportSerializer}
    statuses = {"POST": 202}

    def post(self, request: Request, archive_import_id: str) -> Response:
        """Confirm the preview. A worker imports the tenant: all of it, or nothing."""
        job = self.load()
        self.validated(RequestInput)
        imports.confirm_import(job)
        queue_archive_import(job)
        return self.one(self.load(), status=202)


_IMPORT = "archive-imports/<str:archive_import_id>"
urlpatterns = [
    path("archive-imports/", ArchiveImportListView.as_view(), name="archive-imports"),
    path(f"{_IMPORT}/", ArchiveImportView.as_view(), name="archive-import"),
    path(f"{_IMPORT}/confirm/", ArchiveImportConfirmView.as_view(), name="archive-import-confirm"),
]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("archives/", ArchiveListView.as_view(), name="archives"),
    path(
        "archives/<str:archive_id>/content/", ArchiveContentView.as_view(), name="archive-content"
    ),
    path("start-checks/", ChecksStartView.as_view(), name="checks-start"),
]
