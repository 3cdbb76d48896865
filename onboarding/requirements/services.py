"""Create the sheets of a plan, and add, change and remove single rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Max

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Plan, RequirementsSheet, SheetRow, Task
from onboarding.requirements.columns import SheetDefinition, ValidationContext
from onboarding.requirements.definitions import DEFINITION_OF_ROLE
from onboarding.requirements.host_sheets import RowEdit, missing_routes, write_hosts
from onboarding.requirements.host_values import is_route_sheet
from onboarding.requirements.known_answers import TenantFacts, stored_answers
from onboarding.requirements.sheet_log import store_change
from onboarding.requirements.sign_off import definition_of, lock_sheet, withdraw_sign_offs
from onboarding.requirements.tables import MAX_ROWS
from onboarding.requirements.validation import SheetEntry, text_of
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User


class RowConflict(ConflictingChange):
    """Another person changed or removed the row. `row` is its current state, or None."""

    def __init__(self, message: str, row: SheetRow | None) -> None:
        super().__init__(message)
        self.row = row


class DuplicateRow(OnboardingError):
    """The sheet already has a row with the same key: `row`."""

    def __init__(self, row: SheetRow) -> None:
        super().__init__("The sheet already has this entry. It was not added again.")
        self.row = row


def create_sheets(plan: Plan) -> None:
    """Create the missing sheets of the plan's gathering tasks, with their fixed questions.

    Known answers are prefilled.
    """
    known = RequirementsSheet.objects.filter(task__plan=plan).values("task")
    tasks = Task.objects.filter(plan=plan, role__in=DEFINITION_OF_ROLE).exclude(pk__in=known)
    made = RequirementsSheet.objects.bulk_create(
        RequirementsSheet(task=task, kind=DEFINITION_OF_ROLE[task.role].key) for task in tasks
    )
    facts = TenantFacts(plan.tenant)
    rows = [row for sheet in made for row in _first_rows(sheet, facts)]
    SheetRow.objects.bulk_create(rows)
    for sheet in made:
        sheet.row_count = sum(1 for row in rows if row.sheet == sheet and row.source)
    RequirementsSheet.objects.bulk_update([each for each in made if each.row_count], ["row_count"])


def _first_rows(sheet: RequirementsSheet, facts: TenantFacts) -> Iterable[SheetRow]:
    if is_route_sheet(definition_of(sheet)):
        return missing_routes(sheet, facts.delivery_hosts, facts.domains)
    return _questions(sheet, facts)


def _questions(sheet: RequirementsSheet, facts: TenantFacts) -> Iterable[SheetRow]:
    kind = definition_of(sheet)
    known = stored_answers(facts, kind)
    for position, question in enumerate(kind.questions, start=1):
        answer = known.get(question.key)
        values = {"question": question.text, "answer": answer.text if answer else ""}
        yield SheetRow(
            sheet=sheet,
            position=position,
            key=question.key,
            values=values,
            text=text_of(values),
            source=answer.source if answer else "",
        )


def validation_context_of(tenant: Tenant) -> ValidationContext:
    """The facts of the tenant that the validation of rows needs: its domains. One query."""
    return ValidationContext(frozenset(tenant.domains.values_list("name", flat=True)))


def add_row(sheet: RequirementsSheet, entry: SheetEntry, *, by: User, source: str = "") -> SheetRow:
    """Add a row at the end. Raises DuplicateRow if the sheet already has the entry."""
    assert not entry.problems, "the caller rejects an entry with problems"
    with transaction.atomic():
        locked = lock_open(sheet)
        if definition_of(locked).is_fixed:
            raise OnboardingError("This sheet asks fixed questions: answer those.")
        _refuse_duplicate(locked, entry)
        if locked.row_count >= MAX_ROWS:
            raise OnboardingError(f"A sheet can have at most {MAX_ROWS:,} rows.")
        row = SheetRow.objects.create(
            sheet=locked,
            position=last_position(locked) + 1,
            source=source,
            changed_by=by,
            **_columns(entry),
        )
        record_change(
            locked,
            ActivityName.SHEET_ADDED,
            by=by,
            what=label_of(definition_of(locked), entry.values),
            edit=RowEdit(after=[entry.values]),
        )
    return row


def lock_open(sheet: RequirementsSheet) -> RequirementsSheet:
    """The current sheet, locked. Raises OnboardingError if the tenant is closed."""
    locked = lock_sheet(sheet)
    if locked.task.plan.tenant.is_closed:
        raise OnboardingError("The tenant has been closed. Nothing was changed.")
    return locked


def last_position(sheet: RequirementsSheet) -> int:
    """The position of the last row; 0 in an empty sheet."""
    last = SheetRow.objects.filter(sheet=sheet).aggregate(last=Max("position"))["last"]
    return int(last or 0)


def _columns(entry: SheetEntry) -> dict[str, Any]:
    return {"values": entry.values, "key": entry.key, "text": text_of(entry.values)}


def _refuse_duplicate(sheet: RequirementsSheet, entry: SheetEntry, *, except_pk: int = 0) -> None:
    same = SheetRow.objects.filter(sheet=sheet, key=entry.key).first()
    if same is not None and same.pk != except_pk:
        raise DuplicateRow(same)


def change_row(
    sheet: RequirementsSheet, row_id: str, entry: SheetEntry, *, version: int, by: User
) -> SheetRow:
    """Change a row. Raises RowConflict if it is no longer at `version`."""
    assert not entry.problems, "the caller rejects an entry with problems"
    with transaction.atomic():
        locked = lock_open(sheet)
        row = _row_at_version(locked, row_id, version)
        if row.values == entry.values:
            return row
        _refuse_duplicate(locked, entry, except_pk=row.pk)
        kind, before = definition_of(locked), row.values
        for name, value in _columns(entry).items():
            setattr(row, name, value)
        row.version, row.changed_by, row.changed_at = version + 1, by, database_time.now()
        row.source = ""
        row.save(update_fields=[*_columns(entry), "version", "changed_by", "changed_at", "source"])
        edit = RowEdit([before], [entry.values])
        record_change(
            locked, ActivityName.SHEET_CHANGED, by=by, what=label_of(kind, before), edit=edit
        )
    return row


def remove_row(sheet: RequirementsSheet, row_id: str, *, version: int, by: User) -> None:
    """Remove a row. Raises RowConflict if it is no longer at `version`."""
    with transaction.atomic():
        locked = lock_open(sheet)
        if definition_of(locked).is_fixed:
            raise OnboardingError("This sheet asks fixed questions: empty the answer instead.")
        row = _row_at_version(locked, row_id, version)
        row.delete()
        record_change(
            locked,
            ActivityName.SHEET_REMOVED,
            by=by,
            what=label_of(definition_of(locked), row.values),
            edit=RowEdit(before=[row.values]),
        )


def _row_at_version(locked: RequirementsSheet, row_id: str, version: int) -> SheetRow:
    rows = SheetRow.objects.filter(sheet=locked).select_related("changed_by")
    row = rows.filter(public_id=row_id).first()
    if row is None:
        raise RowConflict("Another person has removed this row.", None)
    if row.version != version:
        author = row.changed_by or ("Gangway" if row.source else "A former user")
        raise RowConflict(f"{author} has changed this row.", row)
    return row


def count_answers(kind: SheetDefinition, rows: Iterable[dict[str, str]]) -> int:
    """The number of answered fixed questions; 0 for other sheets. Such a sheet counts answers."""
    return sum(1 for values in rows if values["answer"]) if kind.is_fixed else 0


def label_of(kind: SheetDefinition, values: dict[str, str]) -> str:
    """The key columns of a row as text, for the activity log."""
    shown = [values.get(c.name, "") for c in kind.columns if c.is_key]
    return " · ".join(text for text in shown if text)[:120]


def record_change(
    locked: RequirementsSheet,
    action: ActivityName,
    *,
    by: User | None,
    what: str,
    edit: RowEdit,
    **more: Any,
) -> None:
    """Complete a change of rows: write its delivery hosts to the profile, withdraw the sign-offs,
    log the change and update open pages.

    Gangway itself (`by` is None) changes only sheets without a sign-off, and no hosts. Raises
    OnboardingError if the person may not change a host; then the caller's transaction ends.
    """
    assert by is not None or not locked.signed_sides
    kind, sides = definition_of(locked), []
    if by is not None:
        write_hosts(locked, edit, by=by)
        sides = withdraw_sign_offs(locked, by=by)
    added, removed = count_answers(kind, edit.after), count_answers(kind, edit.before)
    if not kind.is_fixed:
        added, removed = len(edit.after), len(edit.before)
    store_change(locked, action, by=by, what=what, rows=added - removed, reopened=sides, **more)
