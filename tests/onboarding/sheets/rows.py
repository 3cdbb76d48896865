"""Sheets and rows for the tests of this room."""

from __future__ import annotations

from onboarding.models import Sheet, SheetImport, SheetRow
from onboarding.sheets import importing, keeping
from onboarding.sheets.entries import Entry, in_order, read_entry
from onboarding.sheets.signing import kind_of
from tenants.models import Tenant, User


def sheet_of(tenant: Tenant, kind: str = "forwarding") -> Sheet:
    rows = Sheet.objects.select_related("task__plan__tenant", "task__phase")
    return rows.get(task__plan__tenant=tenant, kind=kind)


def entry_of(sheet: Sheet, **typed: str) -> Entry:
    around = keeping.surroundings(sheet.task.plan.tenant)
    return read_entry(kind_of(sheet), typed, around)


def add(sheet: Sheet, by: User, **typed: str) -> SheetRow:
    return keeping.add_row(sheet, entry_of(sheet, **typed), by=by)


def values(sheet: Sheet) -> list[list[str]]:
    rows = SheetRow.objects.filter(sheet=sheet).order_by("position")
    return [in_order(kind_of(sheet), row.values) for row in rows]


def shown(sheet: Sheet, content: str | bytes, by: User) -> SheetImport:
    """An import that was read, with its preview."""
    raw = content.encode() if isinstance(content, str) else content
    kept = importing.begin_import(sheet, name="rows.csv", content=raw, by=by)
    importing.read_import(kept)
    return SheetImport.objects.select_related("sheet__task__plan__tenant", "made_by").get(
        pk=kept.pk
    )


def brought(sheet: Sheet, content: str | bytes, by: User, duplicates: str = "skip") -> SheetImport:
    """The same, confirmed and taken over."""
    kept = shown(sheet, content, by)
    importing.confirm_import(kept, duplicates=duplicates, by=by)
    importing.run_import(kept)
    kept.refresh_from_db()
    return kept
