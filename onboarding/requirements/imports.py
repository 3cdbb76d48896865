"""Import pasted rows or a file into a sheet: preview first, then all rows or none.

1. `create_import` stores the content. The sheet does not change.
2. `read_import` parses the content, compares it with the sheet and stores the preview.
3. `confirm_import` records a person's confirmation and the choice about duplicates.
4. `run_import` parses the content again and imports it in one transaction. If the sheet has changed
   since the preview, it stores a new preview instead.

A worker runs 2 and 4 if the content is large. Each is safe to run twice: if a worker is lost,
another one starts again. After three attempts the import fails.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from onboarding.collaboration.file_types import safe_name
from onboarding.errors import OnboardingError
from onboarding.models import RequirementsSheet, SheetImport, SheetRow
from onboarding.requirements import comparison, import_stages, services
from onboarding.requirements.cell_types import printable
from onboarding.requirements.column_matching import Layout, read_layout, worksheet_chooser
from onboarding.requirements.columns import SheetDefinition
from onboarding.requirements.comparison import ImportChanges, ParsedRows, RowChange, StoredRow
from onboarding.requirements.host_sheets import RowEdit
from onboarding.requirements.import_progress import (
    ReportProgress,
    Stage,
    is_stalled,
    progress_reporter,
)
from onboarding.requirements.parsers import read_table, text_size_bytes
from onboarding.requirements.sign_off import definition_of, lock_sheet
from onboarding.requirements.tables import MAX_ROWS, UnreadableFile
from onboarding.requirements.validation import text_of
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import User

Status = SheetImport.Status
# A worker reads every file and longer texts, and the page shows the progress. A request reads short
# texts that a person pasted: rows of text, whose cost their length limits.
INLINE_MAX_BYTES = 32 * 1024
INLINE_MAX_ROWS = 500
PASTED = "pasted rows"
_TOO_MANY_ATTEMPTS = (
    "The import was started three times and stopped each time. Nothing was imported. Split the"
    " file into smaller ones, or contact your consultant."
)
CHOOSE_DUPLICATES = "Choose what to do with entries that differ."
NOT_DISCARDED = "The import is running or finished. It was not discarded."
_TENANT_CLOSED = "The tenant has been closed. Nothing was imported."
_BATCH = 1000


@dataclass(frozen=True)
class _ParsedImport:
    """A file, parsed by the columns of its sheet."""

    kind: SheetDefinition
    layout: Layout
    incoming: ParsedRows


def create_import(sheet: RequirementsSheet, *, name: str, content: bytes, by: User) -> SheetImport:
    """Store the content for a preview. Deletes the person's earlier previews of the sheet.

    Raises OnboardingError if the file is empty.
    """
    if not content.strip():
        raise OnboardingError("The file is empty. Nothing was imported.")
    with transaction.atomic():
        # One preview of a person for each sheet, also after a double click.
        lock_sheet(sheet)
        open_ones = SheetImport.objects.filter(sheet=sheet, created_by=by)
        open_ones.filter(status__in=(Status.READY, Status.FAILED)).delete()
        return SheetImport.objects.create(
            sheet=sheet, name=safe_name(name), content=content, created_by=by
        )


def own_import(sheet: RequirementsSheet, import_id: str, *, by: User) -> SheetImport | None:
    """The person's earlier import of the sheet, for correction."""
    return SheetImport.objects.filter(sheet=sheet, created_by=by, public_id=import_id).first()


def is_pasted(job: SheetImport) -> bool:
    return job.name == PASTED


def is_large(job: SheetImport) -> bool:
    """Whether a worker should run the next stage."""
    if job.status == Status.READING:
        return not is_pasted(job) or text_size_bytes(bytes(job.content)) > INLINE_MAX_BYTES
    return job.rows_found > INLINE_MAX_ROWS


def has_earlier(job: SheetImport) -> bool:
    """Whether an earlier import of the tenant is in progress. One that has stalled does not count:
    the beat queues it again."""
    earlier = _in_progress(job).filter(pk__lt=job.pk).defer("content")
    return any(not is_stalled(each, now=database_time.now()) for each in earlier)


def next_in_progress(job: SheetImport) -> SheetImport | None:
    """The tenant's next import, unless this one is in progress again."""
    following = _in_progress(job).defer("content").order_by("pk").first()
    return following if following is not None and following.pk != job.pk else None


def _in_progress(job: SheetImport) -> QuerySet[SheetImport]:
    of_tenant = SheetImport.objects.filter(sheet__task__plan=job.sheet.task.plan_id)
    return import_stages.in_progress(of_tenant)


def start_attempt(job: SheetImport) -> bool:
    """Count an attempt of a worker. Fails the import and returns False after the last one."""
    return import_stages.start_attempt(job, refusal=_TOO_MANY_ATTEMPTS, rows_checked=0)


def stalled_imports(*, now: datetime) -> list[SheetImport]:
    """Imports that a lost worker or broker left unfinished."""
    waiting = import_stages.in_progress(SheetImport.objects.defer("content"))
    return [job for job in waiting if is_stalled(job, now=now)]


def read_import(job: SheetImport) -> None:
    """Read the content and store the preview, or the reason why it cannot be read."""
    if job.status != Status.READING:
        return
    try:
        read = _read(job, progress_reporter(job))
    except UnreadableFile as error:
        _fail(job, str(error))
        return
    with transaction.atomic():
        _save_preview(job, lock_sheet(job.sheet), read)


def _read(job: SheetImport, report_progress: ReportProgress) -> _ParsedImport:
    kind = definition_of(job.sheet)
    report_progress(Stage.READING, 0, 0)
    table = read_table(
        bytes(job.content),
        functools.partial(report_progress, Stage.READING),
        worksheet_chooser(kind),
    )
    layout = read_layout(kind, table)
    total = len(layout.lines)
    report_progress(Stage.CHECKING, 0, total)
    validation_context = services.validation_context_of(job.sheet.task.plan.tenant)
    incoming = comparison.read_lines(
        kind, layout, validation_context, lambda done: report_progress(Stage.CHECKING, done, total)
    )
    report_progress(Stage.CHECKING, total, total)
    comparison.refuse_foreign_table(kind, layout, incoming)
    return _ParsedImport(kind, layout, incoming)


def _save_preview(
    job: SheetImport, locked: RequirementsSheet, read: _ParsedImport, *, is_repeated: bool = False
) -> None:
    existing = _rows_of(locked)
    changes = comparison.compare(read.kind, read.incoming, existing, replaces=False)
    problem = _too_many(locked, changes)
    if problem:
        _fail(job, problem)
        return
    report = comparison.report(read.kind, read.layout, read.incoming, existing)
    import_stages.update(
        job,
        status=Status.READY,
        report=report
        | {
            "is_repeated": is_repeated,
            "sheet_changed": locked.revision != job.previewed_revision,
        },
        previewed_revision=locked.revision,
        rows_found=read.incoming.rows,
        rows_checked=read.incoming.rows,
    )


def _too_many(locked: RequirementsSheet, changes: ImportChanges) -> str:
    if locked.row_count + len(changes.new) <= MAX_ROWS:
        return ""
    return f"A sheet can have at most {MAX_ROWS:,} rows. With these it would have more."


def _fail(job: SheetImport, reason: str) -> None:
    import_stages.update(job, status=Status.FAILED, error=printable(reason[:500]))


def _rows_of(sheet: RequirementsSheet) -> dict[str, StoredRow]:
    rows = SheetRow.objects.filter(sheet=sheet).order_by()
    names = ("key", "pk", "public_id", "position", "values", "version")
    return {
        key: StoredRow(*rest) for key, *rest in rows.values_list(*names).iterator(chunk_size=5000)
    }


def confirm_import(job: SheetImport, *, duplicates: str, by: User) -> None:
    """Confirm the preview. The import then belongs to this person, not to the uploader.

    A second confirmation changes nothing. Raises OnboardingError for an unknown choice, and for a
    preview that cannot be imported.
    """
    if duplicates not in SheetImport.Duplicates.values:
        raise OnboardingError(CHOOSE_DUPLICATES)
    if job.report.get("problem_rows"):
        raise OnboardingError(
            "Some rows contain invalid values. Correct them in your file and import it again. "
            "Nothing was imported."
        )
    chosen = {"duplicates": SheetImport.Duplicates(duplicates), "created_by": by, "rows_checked": 0}
    import_stages.confirm(job, status=Status.IMPORTING, **chosen)


def run_import(job: SheetImport) -> None:
    """Import all rows or none. If the sheet changed since the preview, store a new preview."""
    if job.status != Status.IMPORTING:
        return
    if job.sheet.task.plan.tenant.is_closed:
        _fail(job, _TENANT_CLOSED)
        return
    report_progress = progress_reporter(job)
    try:
        read = _read(job, report_progress)
    except UnreadableFile as error:
        # It was readable at the preview, so the rules of the product must have changed.
        _fail(job, str(error))
        return
    try:
        _import(job, read, report_progress)
    except OnboardingError as error:
        # The person may not change a delivery host. The transaction has ended without a change.
        _fail(job, str(error))


def _import(job: SheetImport, read: _ParsedImport, report_progress: ReportProgress) -> None:
    """Import the rows that were read, in one transaction. Raises OnboardingError."""
    with transaction.atomic():
        locked = lock_sheet(job.sheet)
        if locked.task.plan.tenant.is_closed:
            # Both sides signed off while a large file was read.
            _fail(job, _TENANT_CLOSED)
            return
        if import_stages.locked(job) is None:
            return
        if locked.revision != job.previewed_revision or read.incoming.problem_rows:
            _save_preview(job, locked, read, is_repeated=True)
            return
        _apply(job, locked, read, report_progress)


def _apply(
    job: SheetImport,
    locked: RequirementsSheet,
    read: _ParsedImport,
    report_progress: ReportProgress,
) -> None:
    replaces = job.duplicates == SheetImport.Duplicates.REPLACE
    changes = comparison.compare(read.kind, read.incoming, _rows_of(locked), replaces=replaces)
    counts = comparison.count_changes(read.incoming, changes)
    promised = job.report.get("modes", {}).get(job.duplicates)
    if counts != promised:
        # The rules of the product changed, not the sheet: its revision is that of the preview. A
        # preview of version 0.1.0 has no counts for each choice.
        _save_preview(job, locked, read, is_repeated=True)
        return
    _write(locked, changes, by=job.created_by, report_progress=report_progress)
    job.report = counts
    if changes.new or changes.updates:
        assert job.created_by is not None, "a deleted user cannot confirm an import"
        edit = RowEdit(
            [change.stored.values for change in changes.updates],
            [
                *(change.values for change in changes.updates),
                *(values for _, values in changes.new),
            ],
        )
        services.record_change(
            locked,
            ActivityName.SHEET_IMPORTED,
            by=job.created_by,
            what=job.name,
            edit=edit,
            added=counts["new"],
            replaced=counts["replaced"],
        )
    job.status, job.imported_at, job.content = Status.DONE, database_time.now(), b""
    job.save(update_fields=["report", "status", "imported_at", "content"])


def _write(
    locked: RequirementsSheet,
    changes: ImportChanges,
    *,
    by: User | None,
    report_progress: ReportProgress,
) -> None:
    now = database_time.now()
    position = services.last_position(locked)
    updates = changes.updates
    total = len(changes.new) + len(updates)
    report_progress(Stage.WRITING, 0, total)
    for begin in range(0, len(changes.new), _BATCH):
        SheetRow.objects.bulk_create(
            SheetRow(
                sheet=locked,
                position=position + place,
                key=key,
                values=values,
                text=text_of(values),
                changed_by=by,
                changed_at=now,
            )
            for place, (key, values) in enumerate(
                changes.new[begin : begin + _BATCH], start=begin + 1
            )
        )
        report_progress(Stage.WRITING, min(begin + _BATCH, len(changes.new)), total)
    for begin in range(0, len(updates), _BATCH):
        _replace(locked, updates[begin : begin + _BATCH], by=by, at=now)
        report_progress(Stage.WRITING, min(len(changes.new) + begin + _BATCH, total), total)


def _replace(
    locked: RequirementsSheet,
    updates: Sequence[RowChange],
    *,
    by: User | None,
    at: datetime,
) -> None:
    # An upsert by key: one statement for a thousand rows, where an update by CASE takes minutes.
    SheetRow.objects.bulk_create(
        (
            SheetRow(
                public_id=change.stored.public_id,
                sheet=locked,
                position=change.stored.position,
                key=change.key,
                values=change.values,
                text=text_of(change.values),
                version=change.stored.version + 1,
                source="",
                changed_by=by,
                changed_at=at,
            )
            for change in updates
        ),
        update_conflicts=True,
        unique_fields=["sheet", "key"],
        update_fields=["values", "text", "version", "source", "changed_by", "changed_at"],
    )


def discard_import(job: SheetImport, *, now: datetime) -> bool:
    """Delete a preview or a stalled import. Returns False, and changes nothing, if an import is
    running or finished."""
    droppable = [Status.READING, Status.READY, Status.FAILED]
    if is_stalled(job, now=now):
        droppable.append(Status.IMPORTING)
    return bool(SheetImport.objects.filter(pk=job.pk, status__in=droppable).delete()[0])


def delete_abandoned() -> None:
    """Delete unconfirmed previews after a day: they contain personal addresses."""
    old = import_stages.abandoned(SheetImport.objects.all())
    old.filter(status__in=(Status.READY, Status.FAILED)).delete()
