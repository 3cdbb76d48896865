"""Taking a paste or a file into a sheet: read and compared first, then all of it or nothing.

1. `create_import` keeps the content. Nothing of the sheet changes.
2. `read_import` reads and compares it, and keeps what it found as the preview.
3. `confirm_import` is a person's yes, with what is to be done with duplicates.
4. `run_import` reads it again and takes it over in one transaction. Where the sheet changed since
   the preview, it makes a new preview instead.

Steps 2 and 4 are a worker's where the content is large. Each is safe to run twice, so that what a
lost worker began is begun again by another; three times, and then it is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from onboarding.collaboration.file_types import safe_name
from onboarding.errors import OnboardingError
from onboarding.models import RequirementsSheet, SheetImport, SheetRow
from onboarding.requirements import comparison, services
from onboarding.requirements.cell_types import printable
from onboarding.requirements.column_matching import Layout, read_layout
from onboarding.requirements.columns import SheetDefinition
from onboarding.requirements.comparison import ImportChanges, ParsedRows, StoredRow
from onboarding.requirements.import_progress import (
    ReportProgress,
    Stage,
    is_stalled,
    progress_reporter,
)
from onboarding.requirements.parsers import UnreadableFile, read_table, text_size_bytes
from onboarding.requirements.sign_off import definition_of, lock_sheet
from onboarding.requirements.validation import text_of
from onboarding.requirements.xlsx_reader import MAX_ROWS
from tenants.models import User

Status = SheetImport.Status
# Beyond this a person would wait for the page: a worker does it, and the page shows how far it is.
INLINE_MAX_BYTES = 32 * 1024
INLINE_MAX_ROWS = 500
DELETE_PREVIEW_AFTER = timedelta(days=1)
_MAX_ATTEMPTS = 3
PASTED = "pasted rows"
_TOO_MANY_ATTEMPTS = (
    "It was begun three times, and each time the work stopped before its end. Nothing was"
    " imported: take it over in smaller files, or contact your consultant."
)
_TENANT_CLOSED = "The tenant was closed meanwhile, so nothing was imported."
_BATCH = 1000


@dataclass(frozen=True)
class _ParsedImport:
    """A file read against its sheet's columns."""

    kind: SheetDefinition
    layout: Layout
    incoming: ParsedRows


def create_import(sheet: RequirementsSheet, *, name: str, content: bytes, by: User) -> SheetImport:
    """Keep what somebody shows; their earlier previews of the sheet go."""
    if not content.strip():
        raise OnboardingError("There is nothing in it. Nothing was imported.")
    with transaction.atomic():
        open_ones = SheetImport.objects.filter(sheet=sheet, created_by=by)
        open_ones.filter(status__in=(Status.READY, Status.FAILED)).delete()
        return SheetImport.objects.create(
            sheet=sheet, name=safe_name(name), content=content, created_by=by
        )


def pasted_text(sheet: RequirementsSheet, import_id: str, *, by: User) -> str:
    """What the person pasted for an import that came to nothing, so that it can be corrected."""
    rows = SheetImport.objects.filter(sheet=sheet, created_by=by, name=PASTED, public_id=import_id)
    job = rows.first()
    return bytes(job.content).decode("utf-8", "replace") if job is not None else ""


def is_large(job: SheetImport) -> bool:
    """Whether a worker should do what comes next."""
    if job.status == Status.READING:
        return text_size_bytes(bytes(job.content)) > INLINE_MAX_BYTES
    return job.rows_found > INLINE_MAX_ROWS


def start_attempt(job: SheetImport) -> bool:
    """Count a worker's beginning; False once it is no use, and the import is refused."""
    rows = SheetImport.objects.filter(pk=job.pk, status=job.status)
    if job.is_in_progress and job.attempts >= _MAX_ATTEMPTS:
        # By condition: the worker taken for lost may have come to its end meanwhile.
        rows.update(status=Status.FAILED, error=_TOO_MANY_ATTEMPTS)
        return False
    if not rows.update(attempts=F("attempts") + 1, progress_at=timezone.now(), rows_checked=0):
        return False
    job.attempts += 1
    return True


def stalled_imports(*, now: datetime) -> list[SheetImport]:
    """Those that a worker, or the broker, took away with it."""
    waiting = SheetImport.objects.filter(status__in=(Status.READING, Status.IMPORTING))
    return [job for job in waiting.defer("content") if is_stalled(job, now=now)]


def read_import(job: SheetImport) -> None:
    """Read the content and keep the preview, or why it cannot be read."""
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
    table = read_table(bytes(job.content), functools.partial(report_progress, Stage.READING))
    layout = read_layout(kind, table)
    total = len(layout.lines)
    report_progress(Stage.CHECKING, 0, total)
    validation_context = services.validation_context_of(job.sheet.task.plan.tenant)
    incoming = comparison.read_lines(
        kind, layout, validation_context, lambda done: report_progress(Stage.CHECKING, done, total)
    )
    report_progress(Stage.CHECKING, total, total)
    return _ParsedImport(kind, layout, incoming)


def _save_preview(
    job: SheetImport, locked: RequirementsSheet, read: _ParsedImport, *, is_repeated: bool = False
) -> None:
    changes = comparison.compare(read.kind, read.incoming, _rows_of(locked), replaces=False)
    problem = _too_many(locked, changes)
    if problem:
        _fail(job, problem)
        return
    report = comparison.report(read.kind, read.layout, read.incoming, changes)
    _update_if_unchanged(
        job,
        status=Status.READY,
        report=report | {"is_repeated": is_repeated},
        previewed_revision=locked.revision,
        rows_found=read.incoming.rows,
        rows_checked=read.incoming.rows,
    )


def _too_many(locked: RequirementsSheet, changes: ImportChanges) -> str:
    if locked.row_count + len(changes.new) <= MAX_ROWS:
        return ""
    return f"A sheet has {MAX_ROWS:,} rows at most; with these it would have more."


def _fail(job: SheetImport, reason: str) -> None:
    _update_if_unchanged(job, status=Status.FAILED, error=printable(reason[:500]))


def _update_if_unchanged(job: SheetImport, **columns: Any) -> None:
    """By condition: of two workers at one import the later changes nothing, nor does one whose
    import was dropped meanwhile."""
    if SheetImport.objects.filter(pk=job.pk, status=job.status).update(**columns):
        for name, value in columns.items():
            setattr(job, name, value)


def _rows_of(sheet: RequirementsSheet) -> dict[str, StoredRow]:
    rows = SheetRow.objects.filter(sheet=sheet).order_by()
    names = ("key", "pk", "public_id", "position", "values", "version")
    return {
        key: StoredRow(*rest) for key, *rest in rows.values_list(*names).iterator(chunk_size=5000)
    }


def confirm_import(job: SheetImport, *, duplicates: str, by: User) -> None:
    """Somebody read the preview and wants it: from now on it is theirs, whoever showed the file.
    A second yes changes nothing."""
    if job.report.get("problem_rows"):
        raise OnboardingError(
            "Some rows hold what cannot be kept. Correct them in your file and import it again: "
            "nothing was imported."
        )
    ready = SheetImport.objects.filter(pk=job.pk, status=Status.READY)
    chosen = SheetImport.Duplicates(duplicates)
    said = {"duplicates": chosen, "created_by": by, "progress_at": timezone.now()}
    if not ready.update(status=Status.IMPORTING, attempts=0, rows_checked=0, **said):
        raise OnboardingError("This import was begun already, or dropped.")
    job.status, job.duplicates, job.created_by = Status.IMPORTING, chosen, by
    job.attempts = 0


def run_import(job: SheetImport) -> None:
    """Take all of it over, or nothing. A sheet that changed since the preview makes another one."""
    if job.status != Status.IMPORTING:
        return
    if job.sheet.task.plan.tenant.is_closed:
        _fail(job, _TENANT_CLOSED)
        return
    report_progress = progress_reporter(job)
    try:
        read = _read(job, report_progress)
    except UnreadableFile as error:
        # It was readable when it was shown, so this is our rules having changed meanwhile.
        _fail(job, str(error))
        return
    with transaction.atomic():
        locked = lock_sheet(job.sheet)
        if locked.task.plan.tenant.is_closed:
            # Both sides signed while a large file was read.
            _fail(job, _TENANT_CLOSED)
            return
        waiting = SheetImport.objects.select_for_update().filter(pk=job.pk)
        if not waiting.filter(status=Status.IMPORTING).exists():
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
    _write(locked, changes, by=job.created_by, report_progress=report_progress)
    job.report = {
        "new": len(changes.new),
        "replaced": len(changes.changed),
        "left": len(changes.differing) if not replaces else 0,
        "same": changes.same,
        "repeated": read.incoming.repeated,
    }
    if changes.new or changes.changed:
        assert job.created_by is not None, "a person who is gone confirms nothing"
        before = services.count_answers(
            read.kind, [stored.values for stored, _, _ in changes.changed]
        )
        after = services.count_answers(read.kind, [values for _, _, values in changes.changed])
        services.record_change(
            locked,
            "imported",
            by=job.created_by,
            what=job.name,
            rows=len(changes.new) + after - before,
            added=len(changes.new),
            replaced=len(changes.changed),
        )
    job.status, job.imported_at, job.content = Status.DONE, timezone.now(), b""
    job.save(update_fields=["report", "status", "imported_at", "content"])


def _write(
    locked: RequirementsSheet,
    changes: ImportChanges,
    *,
    by: User | None,
    report_progress: ReportProgress,
) -> None:
    now = timezone.now()
    position = services.last_position(locked)
    total = len(changes.new) + len(changes.changed)
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
    for begin in range(0, len(changes.changed), _BATCH):
        _replace(locked, changes.changed[begin : begin + _BATCH], by=by, at=now)
        report_progress(Stage.WRITING, min(len(changes.new) + begin + _BATCH, total), total)


def _replace(
    locked: RequirementsSheet,
    changed: Sequence[tuple[StoredRow, str, dict[str, str]]],
    *,
    by: User | None,
    at: datetime,
) -> None:
    # An upsert by key: one statement for a thousand rows, where an update by CASE takes minutes.
    SheetRow.objects.bulk_create(
        (
            SheetRow(
                public_id=stored.public_id,
                sheet=locked,
                position=stored.position,
                key=key,
                values=values,
                text=text_of(values),
                version=stored.version + 1,
                changed_by=by,
                changed_at=at,
            )
            for stored, key, values in changed
        ),
        update_conflicts=True,
        unique_fields=["sheet", "key"],
        update_fields=["values", "text", "version", "changed_by", "changed_at"],
    )


def discard_import(job: SheetImport, *, now: datetime) -> bool:
    """Let go of what was read, or of what a lost worker was to take over. What is being taken over
    runs to its end, and what was taken over stays."""
    droppable = [Status.READING, Status.READY, Status.FAILED]
    if is_stalled(job, now=now):
        droppable.append(Status.IMPORTING)
    return bool(SheetImport.objects.filter(pk=job.pk, status__in=droppable).delete()[0])


def return_to_preview(public_id: str) -> None:
    """Nobody can take it over just now: it waits for another yes."""
    rows = SheetImport.objects.filter(public_id=public_id, status=Status.IMPORTING)
    rows.update(status=Status.READY)


def delete_abandoned() -> None:
    """Previews that nobody said yes to hold other people's addresses: they go after a day."""
    old = SheetImport.objects.filter(created_at__lt=timezone.now() - DELETE_PREVIEW_AFTER)
    old.filter(status__in=(Status.READY, Status.FAILED)).delete()
