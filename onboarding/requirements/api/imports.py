"""Endpoints of imports into a requirements sheet: upload, preview, confirm."""

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
from onboarding.models import RequirementsSheet, SheetImport
from onboarding.requirements import imports
from onboarding.requirements.api.sheets import SheetsView
from onboarding.requirements.forms import ImportForm
from onboarding.requirements.import_progress import is_stalled
from onboarding.requirements.tasks import begin_import, start_import
from onboarding.requirements.views import imports as pages
from tenants import database_time
from tenants.permissions import Permission
from tenants.rest.problems import invalid
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, found_or_404
from tenants.throttle import limit_of


class ImportInput(InputSerializer):
    """A file or pasted rows, not both."""

    file = serializers.FileField(
        required=False,
        allow_empty_file=True,
        help_text="CSV, TSV, XLSX, ODS or an HTML table, at most 10 MB.",
    )
    pasted = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Rows that were copied from a spreadsheet.",
    )


class ConfirmationInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class RequirementsSheetConfirmationInput(InputSerializer):
    duplicates = serializers.ChoiceField(
        choices=SheetImport.Duplicates.choices,
        help_text="What Gangway does with entries that differ from rows of the sheet.",
        error_messages={
            "required": imports.CHOOSE_DUPLICATES,
            "invalid_choice": imports.CHOOSE_DUPLICATES,
        },
    )


class RequirementsSheetImportSerializer(ResourceSerializer):
    expandable = frozenset({"report"})

    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=SheetImport.Status.choices, read_only=True)
    is_stalled = serializers.SerializerMethodField()
    duplicates = serializers.ChoiceField(choices=SheetImport.Duplicates.choices, read_only=True)
    rows_found = serializers.IntegerField(read_only=True)
    rows_checked = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    imported_at = serializers.DateTimeField(read_only=True, allow_null=True)
    report = serializers.DictField(
        read_only=True, help_text="The preview, or after the import the numbers of rows."
    )

    def get_is_stalled(self, job: SheetImport) -> bool:
        return is_stalled(job, now=database_time.now())


class SheetImportFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    status = django_filters.MultipleChoiceFilter(choices=SheetImport.Status.choices)

    class Meta:
        model = SheetImport
        fields: list[str] = []


class _SheetImportsView(SheetsView):
    serializer_class = RequirementsSheetImportSerializer

    def rows(self, sheet: RequirementsSheet) -> QuerySet[SheetImport]:
        found = SheetImport.objects.filter(sheet=sheet).defer("content")
        return found.select_related("sheet__task__plan__tenant", "created_by")

    def load(self) -> SheetImport:
        return found_or_404(self.rows(self.load_sheet()), self.kwargs["import_id"], "import")


class SheetImportListView(_SheetImportsView, ApiListView):
    permissions = {"GET": Permission.EDIT_REQUIREMENTS, "POST": Permission.EDIT_REQUIREMENTS}
    model = SheetImport
    filterset_class = SheetImportFilter
    parser_classes = [MultiPartParser]
    is_upload = True
    inputs = {"POST": ImportInput}
    statuses = {"POST": 201}
    limits = {"POST": limit_of(pages.sheet_import)}
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)

    def get(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """The imports of a requirements sheet, newest first."""
        return self.listed(self.rows(self.load_sheet()))

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Upload a file, or paste rows.

        The body is a form. The sheet does not change before the confirmation. A worker reads a
        file: its status is `reading` until the preview is `ready`.
        """
        sheet = self.load_sheet()
        form = ImportForm.of_request(
            self.validated(ImportInput), was_too_large=was_too_large(self.http_request)
        )
        if not form.is_valid():
            raise problem_of_forms(form)
        job = begin_import(
            sheet,
            name=form.cleaned_data["name"],
            content=form.cleaned_data["content"],
            by=self.user,
        )
        if job.status == SheetImport.Status.FAILED:
            raise invalid({form.filled_field: [job.error]})
        return self.one(self.rows(sheet).get(pk=job.pk), status=201)


class SheetImportView(_SheetImportsView):
    permissions = {"GET": Permission.EDIT_REQUIREMENTS, "DELETE": Permission.EDIT_REQUIREMENTS}
    statuses = {"DELETE": 204}

    def get(self, request: Request, public_id: str, sheet_id: str, import_id: str) -> Response:
        """One import, with `expand=report` its preview or its result."""
        return self.one(self.load())

    def delete(self, request: Request, public_id: str, sheet_id: str, import_id: str) -> Response:
        """Discard a preview, or an import that has stalled. The sheet is unchanged."""
        if not imports.discard_import(self.load(), now=database_time.now()):
            raise OnboardingError(imports.NOT_DISCARDED)
        return Response(status=204)


class SheetImportConfirmView(_SheetImportsView):
    permissions = {"POST": Permission.EDIT_REQUIREMENTS}
    inputs = {"POST": RequirementsSheetConfirmationInput}
    statuses = {"POST": 202}
    outputs = {"POST": RequirementsSheetImportSerializer}

    def post(self, request: Request, public_id: str, sheet_id: str, import_id: str) -> Response:
        """Confirm the preview. Gangway imports all rows or none.

        If the sheet has changed since the preview, Gangway stores another preview instead.
        """
        job = self.load()
        chosen = self.validated(RequirementsSheetConfirmationInput)["duplicates"]
        imports.confirm_import(job, duplicates=chosen, by=self.user)
        start_import(job)
        return self.one(self.load(), status=202)


_IMPORTS = "requirements/<str:sheet_id>/imports"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path(f"{_IMPORTS}/", SheetImportListView.as_view(), name="sheet-imports"),
    path(f"{_IMPORTS}/<str:import_id>/", SheetImportView.as_view(), name="sheet-import"),
    path(
        f"{_IMPORTS}/<str:import_id>/confirm/",
        SheetImportConfirmView.as_view(),
        name="sheet-import-confirm",
    ),
]
