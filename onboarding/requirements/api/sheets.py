"""Endpoints of the requirements sheets, their rows and their sign-offs."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.models import RequirementsSheet, SheetRow
from onboarding.plans.recipients import side_of_role
from onboarding.requirements import host_sheets, queries, services, sign_off
from onboarding.requirements.forms import RowForm, SheetSignOffForm
from onboarding.requirements.tasks import queue_partner_tests
from tenants.permissions import Permission
from tenants.rest.filters import MomentFilter
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404

LONGEST_CELL = 10_000


class ColumnSerializer(ResourceSerializer):
    name = serializers.CharField(read_only=True)
    label = serializers.CharField(read_only=True)  # type: ignore[assignment]  # a field of the resource
    is_required = serializers.BooleanField(read_only=True)
    is_key = serializers.BooleanField(read_only=True)
    choices = serializers.ListField(child=serializers.CharField(), read_only=True)


class SignOffSerializer(ResourceSerializer):
    side = serializers.CharField(read_only=True)
    at = serializers.DateTimeField(read_only=True, allow_null=True)
    by = PersonSerializer(read_only=True, allow_null=True)
    reason = serializers.CharField(read_only=True)


class RequirementsSheetSerializer(ResourceSerializer):
    expandable = frozenset({"columns"})

    id = serializers.CharField(source="public_id", read_only=True)
    kind = serializers.CharField(read_only=True)
    title = serializers.SerializerMethodField()
    task = serializers.CharField(source="task.public_id", read_only=True)
    row_count = serializers.IntegerField(
        read_only=True, help_text="Of a sheet with fixed questions: the number of answers."
    )
    revision = serializers.IntegerField(read_only=True)
    sign_offs = SignOffSerializer(source="signatures", many=True, read_only=True)
    columns = serializers.SerializerMethodField()

    @extend_schema_field(str)
    def get_title(self, sheet: RequirementsSheet) -> str:
        return sign_off.definition_of(sheet).title

    @extend_schema_field(ColumnSerializer(many=True))
    def get_columns(self, sheet: RequirementsSheet) -> list[Any]:
        return list(ColumnSerializer(sign_off.definition_of(sheet).columns, many=True).data)


class RequirementsSheetRowSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    position = serializers.IntegerField(read_only=True)
    values = serializers.DictField(
        child=serializers.CharField(), read_only=True, help_text="The cells by column."
    )
    version = serializers.IntegerField(read_only=True)
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field of the resource
        choices=SheetRow.Source.choices, allow_blank=True, read_only=True
    )
    changed_by = PersonSerializer(read_only=True, allow_null=True)
    changed_at = serializers.DateTimeField(read_only=True)


class RequirementsSheetRowInput(InputSerializer):
    values = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=LONGEST_CELL),
        help_text="The cells by column. A change leaves missing cells unchanged.",
    )


class RequirementsSheetSignOffInput(InputSerializer):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=5000)


class SheetRowFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    changed_since = MomentFilter(field_name="changed_at", lookup_expr="gte")

    class Meta:
        model = SheetRow
        fields: list[str] = []


class SheetsView(ApiView):
    """The common part of the endpoints of a requirements sheet."""

    tag = "Requirements"
    serializer_class: type[ResourceSerializer] = RequirementsSheetSerializer

    def sheets(self) -> QuerySet[RequirementsSheet]:
        return queries.sheets_of(self.tenant)

    def load_sheet(self) -> RequirementsSheet:
        return found_or_404(self.sheets(), self.kwargs["sheet_id"], "requirements sheet")

    @property
    def side(self) -> str:
        return side_of_role(self.access.role, is_closed=self.tenant.is_closed)


class SheetListView(SheetsView, ApiListView):
    permissions = {"GET": Permission.VIEW}
    model = RequirementsSheet
    ordering = ("kind",)
    ordering_fields = ("kind",)

    def get(self, request: Request, public_id: str) -> Response:
        """The requirements sheets of a tenant."""
        return self.listed(self.sheets())


class SheetView(SheetsView):
    permissions = {"GET": Permission.VIEW}

    def get(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """One requirements sheet, with its ETag for a sign-off."""
        sheet = self.load_sheet()
        return self.one(sheet, version=sheet)


class SheetSignOffView(SheetsView):
    permissions = {"POST": Permission.EDIT_REQUIREMENTS, "DELETE": Permission.EDIT_REQUIREMENTS}
    inputs = {"POST": RequirementsSheetSignOffInput}
    versioned = frozenset({"POST", "DELETE"})

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Sign a sheet off for the own side. With unanswered questions it needs a reason."""
        sheet = self.load_sheet()
        self.require_version(sheet)
        form = SheetSignOffForm(self.validated(RequirementsSheetSignOffInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        sign_off.sign_off(
            sheet,
            by=self.user,
            side=self.side,
            expected_revision=sheet.revision,
            reason=form.cleaned_data["reason"],
        )
        return self.answer()

    def delete(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Withdraw the sign-off of the own side."""
        sheet = self.load_sheet()
        self.require_version(sheet)
        sign_off.withdraw_sign_off(sheet, by=self.user, side=self.side)
        host_sheets.sync_host_sheets(sheet.task.plan)
        return self.answer()

    def answer(self) -> Response:
        sheet = self.load_sheet()
        return self.one(sheet, version=sheet)


class _RowsView(SheetsView):
    serializer_class = RequirementsSheetRowSerializer

    def rows(self, sheet: RequirementsSheet) -> QuerySet[SheetRow]:
        return SheetRow.objects.filter(sheet=sheet).select_related("changed_by")

    def entry(self, sheet: RequirementsSheet, row: SheetRow | None = None) -> Any:
        """The validated cells, by the form of the page. Rejects unknown columns by name."""
        cells = self.validated(RequirementsSheetRowInput)["values"]
        form = RowForm(
            (row.values if row is not None else {}) | cells,
            kind=sign_off.definition_of(sheet),
            validation_context=services.validation_context_of(self.tenant),
            question_key=row.key if row is not None else "",
        )
        for name in sorted(set(cells) - set(form.fields) | {"version"} & set(cells)):
            form.add_error(None, f"Unknown column: {name}.")
        if not form.is_valid() or form.entry is None:
            raise problem_of_forms(form)
        return form.entry


class RowListView(_RowsView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.EDIT_REQUIREMENTS}
    model = SheetRow
    filterset_class = SheetRowFilter
    inputs = {"POST": RequirementsSheetRowInput}
    statuses = {"POST": 201}
    ordering = ("position",)
    ordering_fields = ("position", "changed_at")

    def get(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """The rows of a requirements sheet, in its order."""
        return self.listed(self.rows(self.load_sheet()))

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Add a row at the end. A change of the rows withdraws the sign-offs."""
        sheet = self.load_sheet()
        made = services.add_row(sheet, self.entry(sheet), by=self.user)
        queue_partner_tests(sheet)
        return self.one(made, status=201, version=made)


class RowView(_RowsView):
    permissions = {
        "GET": Permission.VIEW,
        "PATCH": Permission.EDIT_REQUIREMENTS,
        "DELETE": Permission.EDIT_REQUIREMENTS,
    }
    inputs = {"PATCH": RequirementsSheetRowInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self) -> tuple[RequirementsSheet, SheetRow]:
        sheet = self.load_sheet()
        return sheet, found_or_404(self.rows(sheet), self.kwargs["row_id"], "row")

    def get(self, request: Request, public_id: str, sheet_id: str, row_id: str) -> Response:
        """One row, with its ETag."""
        _, row = self.load()
        return self.one(row, version=row)

    def patch(self, request: Request, public_id: str, sheet_id: str, row_id: str) -> Response:
        """Change cells of a row. The change withdraws the sign-offs."""
        sheet, row = self.load()
        self.require_version(row)
        entry = self.entry(sheet, row)
        changed = services.change_row(
            sheet, row.public_id, entry, version=row.version, by=self.user
        )
        queue_partner_tests(sheet)
        return self.one(changed, version=changed)

    def delete(self, request: Request, public_id: str, sheet_id: str, row_id: str) -> Response:
        """Remove a row. The change withdraws the sign-offs."""
        sheet, row = self.load()
        self.require_version(row)
        services.remove_row(sheet, row.public_id, version=row.version, by=self.user)
        return Response(status=204)


_SHEET = "requirements/<str:sheet_id>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("requirements/", SheetListView.as_view(), name="sheets"),
    path(f"{_SHEET}/", SheetView.as_view(), name="sheet"),
    path(f"{_SHEET}/sign-off/", SheetSignOffView.as_view(), name="sheet-sign-off"),
    path(f"{_SHEET}/rows/", RowListView.as_view(), name="rows"),
    path(f"{_SHEET}/rows/<str:row_id>/", RowView.as_view(), name="row"),
]
