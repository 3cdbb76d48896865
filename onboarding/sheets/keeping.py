"""Sheets and their rows: making them, and changing one row at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.models import Plan, Sheet, SheetRow, Task
from onboarding.sheets.columns import Kind, Surroundings
from onboarding.sheets.entries import Entry, text_of
from onboarding.sheets.kinds import KIND_OF_TASK
from onboarding.sheets.signing import hold, kind_of, reopen
from onboarding.sheets.workbooks import MOST_ROWS
from tenants.models import Tenant, User
from tenants.services import write_activity


class ChangedMeanwhile(MovedMeanwhile):
    """Somebody else changed or removed the row; `row` is what stands there now, if anything."""

    def __init__(self, message: str, row: SheetRow | None) -> None:
        super().__init__(message)
        self.row = row


class AlreadyThere(OnboardingError):
    """Another row of the sheet is the same entry."""

    def __init__(self, row: SheetRow) -> None:
        super().__init__("The sheet has this entry already, so it was not added again.")
        self.row = row


def make_sheets(plan: Plan) -> None:
    """The sheets of the plan's gathering tasks that are not there yet, with fixed questions."""
    known = Sheet.objects.filter(task__plan=plan).values("task")
    tasks = Task.objects.filter(plan=plan, key__in=KIND_OF_TASK).exclude(pk__in=known)
    made = Sheet.objects.bulk_create(
        Sheet(task=task, kind=KIND_OF_TASK[task.key].key) for task in tasks
    )
    SheetRow.objects.bulk_create(row for sheet in made for row in _questions(sheet))


def _questions(sheet: Sheet) -> Iterable[SheetRow]:
    for position, question in enumerate(kind_of(sheet).questions, start=1):
        values = {"question": question.text, "answer": ""}
        yield SheetRow(
            sheet=sheet, position=position, key=question.key, values=values, text=text_of(values)
        )


def surroundings(tenant: Tenant) -> Surroundings:
    return Surroundings(frozenset(tenant.domains.values_list("name", flat=True)))


def add_row(sheet: Sheet, entry: Entry, *, by: User) -> SheetRow:
    """One more row at the end; AlreadyThere where the sheet has the entry."""
    assert not entry.problems, "what is wrong is told before"
    with transaction.atomic():
        held = _hold_open(sheet)
        if kind_of(held).is_fixed:
            raise OnboardingError("This sheet asks fixed questions: answer those.")
        _refuse_same(held, entry)
        if held.rows_total >= MOST_ROWS:
            raise OnboardingError(f"A sheet has {MOST_ROWS:,} rows at most.")
        row = SheetRow.objects.create(
            sheet=held,
            position=last_position(held) + 1,
            changed_by=by,
            **_columns(entry),
        )
        note_change(held, "added", by=by, what=label_of(kind_of(held), entry.values), rows=1)
    return row


def _hold_open(sheet: Sheet) -> Sheet:
    held = hold(sheet)
    if held.task.plan.tenant.is_closed:
        raise OnboardingError("The case was closed meanwhile. Nothing was changed.")
    return held


def last_position(sheet: Sheet) -> int:
    last = SheetRow.objects.filter(sheet=sheet).aggregate(last=Max("position"))["last"]
    return int(last or 0)


def _columns(entry: Entry) -> dict[str, Any]:
    return {"values": entry.values, "key": entry.key, "text": text_of(entry.values)}


def _refuse_same(sheet: Sheet, entry: Entry, *, but: int = 0) -> None:
    same = SheetRow.objects.filter(sheet=sheet, key=entry.key).first()
    if same is not None and same.pk != but:
        raise AlreadyThere(same)


def change_row(sheet: Sheet, row_id: str, entry: Entry, *, version: int, by: User) -> SheetRow:
    """New values for a row, if nobody changed it since `version`; else ChangedMeanwhile."""
    assert not entry.problems, "what is wrong is told before"
    with transaction.atomic():
        held = _hold_open(sheet)
        row = _unchanged(held, row_id, version)
        if row.values == entry.values:
            return row
        _refuse_same(held, entry, but=row.pk)
        kind, before = kind_of(held), row.values
        for name, value in _columns(entry).items():
            setattr(row, name, value)
        row.version, row.changed_by, row.changed_at = version + 1, by, timezone.now()
        row.save(update_fields=[*_columns(entry), "version", "changed_by", "changed_at"])
        rows = answers(kind, [entry.values]) - answers(kind, [before])
        note_change(held, "changed", by=by, what=label_of(kind, before), rows=rows)
    return row


def remove_row(sheet: Sheet, row_id: str, *, version: int, by: User) -> None:
    """Take a row out, if nobody changed it since `version`; else ChangedMeanwhile."""
    with transaction.atomic():
        held = _hold_open(sheet)
        if kind_of(held).is_fixed:
            raise OnboardingError("This sheet asks fixed questions: empty the answer instead.")
        row = _unchanged(held, row_id, version)
        row.delete()
        note_change(held, "removed", by=by, what=label_of(kind_of(held), row.values), rows=-1)


def _unchanged(held: Sheet, row_id: str, version: int) -> SheetRow:
    rows = SheetRow.objects.filter(sheet=held).select_related("changed_by")
    row = rows.filter(public_id=row_id).first()
    if row is None:
        raise ChangedMeanwhile("Somebody removed this row meanwhile.", None)
    if row.version != version:
        raise ChangedMeanwhile(
            f"{row.changed_by or 'Somebody who left'} changed this row meanwhile.", row
        )
    return row


def answers(kind: Kind, rows: Iterable[dict[str, str]]) -> int:
    """How many fixed questions these rows answer: that is what their sheet counts."""
    return sum(1 for values in rows if values["answer"]) if kind.is_fixed else 0


def label_of(kind: Kind, values: dict[str, str]) -> str:
    """A row in a few words, for the activity."""
    shown = [values.get(c.name, "") for c in kind.columns if c.in_key]
    return " · ".join(text for text in shown if text)[:120]


def note_change(held: Sheet, act: str, *, by: User, what: str, rows: int, **more: Any) -> None:
    """What every change of rows ends with: sign-offs fall, the log says so, open pages hear."""
    sides = reopen(held, by=by)
    Sheet.objects.filter(pk=held.pk).update(
        revision=F("revision") + 1, rows_total=F("rows_total") + rows
    )
    plan = held.task.plan
    write_activity(
        plan.tenant,
        f"sheet-{act}",
        by=by,
        sheet=kind_of(held).title,
        task_id=held.task.public_id,
        what=what,
        reopened=sides,
        **more,
    )
    plan.touch()
