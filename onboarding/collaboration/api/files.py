"""Endpoints of evidence files: lists, downloads and uploads."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.collaboration import evidence_files
from onboarding.collaboration.evidence_files import files_of
from onboarding.collaboration.uploads import was_too_large
from onboarding.collaboration.views import files as pages
from onboarding.errors import OnboardingError
from onboarding.models import EvidenceFile, Task
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.throttle import limit_of


class FileSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    content_type = serializers.CharField(read_only=True)
    size = serializers.IntegerField(read_only=True)
    sha256 = serializers.CharField(read_only=True)
    task = serializers.CharField(source="task.public_id", read_only=True)
    uploaded_by = PersonSerializer(read_only=True, allow_null=True)
    uploaded_at = serializers.DateTimeField(read_only=True)


class FileInput(InputSerializer):
    file = serializers.FileField(
        required=False,
        allow_empty_file=True,
        max_length=None,
        help_text="At most 10 MB. Gangway accepts the file types that the page accepts.",
    )


class TaskFileView(ApiView):
    tag = "Files"
    permissions = {"POST": Permission.ADD_FILE}
    serializer_class = FileSerializer
    parser_classes = [MultiPartParser]
    is_upload = True
    inputs = {"POST": FileInput}
    statuses = {"POST": 201}
    limits = {"POST": limit_of(pages.file_add)}
    refused: tuple[Task, OnboardingError] | None = None

    def post(self, request: Request, public_id: str, task_id: str) -> Response:
        """Add an evidence file to a task.

        The body is a form with the file. The activity log also names a refused file.
        """
        rows = Task.objects.filter(plan=self.tenant.plan).select_related("plan__tenant", "phase")
        task = found_or_404(rows, task_id, "task")
        upload = self.validated(FileInput).get("file")
        try:
            stored = evidence_files.add_file(
                task,
                upload if isinstance(upload, UploadedFile) else None,
                was_too_large=was_too_large(self.http_request),
                by=self.user,
            )
        except OnboardingError as error:
            self.refused = (task, error)
            raise
        return self.one(stored, status=201)

    def handle_exception(self, error: Exception) -> Response:
        """The transaction of the refused upload has ended: its line in the log is another one."""
        if self.refused is not None and error is self.refused[1]:
            evidence_files.log_refusal(self.refused[0], str(error), by=self.user)
        return super().handle_exception(error)


class FileListView(ApiListView):
    tag = "Files"
    permissions = {"GET": Permission.VIEW}
    serializer_class = FileSerializer
    model = EvidenceFile
    ordering = ("-uploaded_at",)
    ordering_fields = ("uploaded_at", "name")

    def get(self, request: Request, public_id: str) -> Response:
        """The evidence files of a tenant, newest first."""
        return self.listed(files_of(self.tenant))


class FileView(ApiView):
    tag = "Files"
    permissions = {"GET": Permission.VIEW}
    serializer_class = FileSerializer

    def get(self, request: Request, public_id: str, file_id: str) -> Response:
        """The name, size and hash of one evidence file."""
        return self.one(found_or_404(files_of(self.tenant), file_id, "file"))


class FileContentView(ApiView):
    tag = "Files"
    permissions = {"GET": Permission.VIEW}

    def get(self, request: Request, public_id: str, file_id: str) -> Any:
        """The content of an evidence file, as a download."""
        found = found_or_404(files_of(self.tenant), file_id, "file")
        return pages.file_show(
            self.http_request,
            public_id=public_id,
            task_id=found.task.public_id,
            file_id=file_id,
        )


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("files/", FileListView.as_view(), name="files"),
    path("files/<str:file_id>/", FileView.as_view(), name="file"),
    path("files/<str:file_id>/content/", FileContentView.as_view(), name="file-content"),
    path("tasks/<str:task_id>/files/", TaskFileView.as_view(), name="task-files"),
]
