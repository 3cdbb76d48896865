"""Helpers for sheets, rows and imports."""

from __future__ import annotations

from onboarding.models import RequirementsSheet, SheetImport, SheetRow
from onboarding.requirements import imports, services
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import SheetEntry, in_order, read_entry
from tenants.models import Tenant, User


def sheet_of(tenant: Tenant, kind: str = "forwarding") -> RequirementsSheet:
    rows = RequirementsSheet.objects.select_related("task__plan__tenant", "task__phase")
    return rows.get(task__plan__tenant=tenant, kind=kind)


def entry_of(sheet: RequirementsSheet, **typed: str) -> SheetEntry:
    validation_context = services.validation_context_of(sheet.task.plan.tenant)
    return read_entry(definition_of(sheet), typed, validation_context)


def add(sheet: RequirementsSheet, by: User, **typed: str) -> SheetRow:
    return services.add_row(sheet, entry_of(sheet, **typed), by=by)


def values(sheet: RequirementsSheet) -> list[list[str]]:
    rows = SheetRow.objects.filter(sheet=sheet).order_by("position")
    return [in_order(definition_of(sheet), row.values) for row in rows]


def shown(sheet: RequirementsSheet, content: str | bytes, by: User) -> SheetImport:
    """An import with its preview."""
    raw = content.encode() if isinstance(content, str) else content
    sheet_import = imports.create_import(sheet, name="rows.csv", content=raw, by=by)
    imports.read_import(sheet_import)
    return SheetImport.objects.select_related("sheet__task__plan__tenant", "created_by").get(
        pk=sheet_import.pk
    )


def job(
    sheet: RequirementsSheet, content: str | bytes, by: User, duplicates: str = "skip"
) -> SheetImport:
    """A finished import."""
    sheet_import = shown(sheet, content, by)
    imports.confirm_import(sheet_import, duplicates=duplicates, by=by)
    imports.run_import(sheet_import)
    sheet_import.refresh_from_db()
    return sheet_import
