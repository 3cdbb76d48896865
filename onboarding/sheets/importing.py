"""Taking a paste or a file into a sheet: read and compared first, then all of it or nothing.

1. `begin_import` keeps the content. Nothing of the sheet changes.
2. `read_import` reads and compares it, and keeps what it found as the preview.
3. `confirm_import` is a person's yes, with what is to be done with duplicates.
4. `run_import` reads it again and takes it over in one transaction. Where the sheet changed since
   the preview, it makes a new preview instead.

Steps 2 and 4 are a worker's where the content is large. Each is safe to run twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from onboarding.errors import OnboardingError
from onboarding.file_types import safe_name
from onboarding.models import Sheet, SheetImport, SheetRow
from onboarding.sheets import comparing, keeping
from onboarding.sheets.columns import Kind
from onboarding.sheets.comparing import Changes, Incoming, Kept
from onboarding.sheets.entries import text_of
from onboarding.sheets.headings import Layout, laid_out
from onboarding.sheets.signing import hold, kind_of
from onboarding.sheets.tables import Unreadable, read_table, weight
from onboarding.sheets.values import printable
from onboarding.sheets.workbooks import MOST_ROWS
from tenants.models import User

State = SheetImport.State
# Beyond this a person would wait for the page: a worker does it, and the page shows how far it is.
AT_ONCE_BYTES = 32 * 1024
AT_ONCE_ROWS = 500
ABANDONED_AFTER = timedelta(days=1)
DEAD_AFTER = timedelta(minutes=15)  # well beyond a task's time limit
PASTED = "pasted rows"
_CLOSED = "The tenant was closed meanwhile, so nothing was imported."
_BATCH = 1000


@dataclass(frozen=True)
class _Read:
    """A file read against its sheet's columns."""

    kind: Kind
    layout: Layout
    incoming: Incoming


def begin_import(sheet: Sheet, *, name: str, content: bytes, by: User) -> SheetImport:
    """Keep what somebody shows; their earlier previews of the sheet go."""
    if not content.strip():
        raise OnboardingError("There is nothing in it. Nothing was imported.")
    with transaction.atomic():
        open_ones = SheetImport.objects.filter(sheet=sheet, made_by=by)
        open_ones.filter(state__in=(State.READY, State.REFUSED)).delete()
        return SheetImport.objects.create(
            sheet=sheet, name=safe_name(name), content=content, made_by=by
        )


def pasted_text(sheet: Sheet, import_id: str, *, by: User) -> str:
    """What the person pasted for an import that came to nothing, so that it can be corrected."""
    rows = SheetImport.objects.filter(sheet=sheet, made_by=by, name=PASTED, public_id=import_id)
    kept = rows.first()
    return bytes(kept.content).decode("utf-8", "replace") if kept is not None else ""


def is_large(kept: SheetImport) -> bool:
    """Whether a worker should do what comes next."""
    if kept.state == State.READING:
        return weight(bytes(kept.content)) > AT_ONCE_BYTES
    return kept.rows_found > AT_ONCE_ROWS


def read_import(kept: SheetImport) -> None:
    """Read the content and keep the preview, or why it cannot be read."""
    if kept.state != State.READING:
        return
    try:
        read = _read(kept)
    except Unreadable as error:
        _refuse(kept, str(error))
        return
    with transaction.atomic():
        _preview(kept, hold(kept.sheet), read)


def _read(kept: SheetImport) -> _Read:
    kind = kind_of(kept.sheet)
    layout = laid_out(kind, read_table(bytes(kept.content)))
    rows = SheetImport.objects.filter(pk=kept.pk)
    rows.update(rows_found=len(layout.lines), rows_checked=0)
    around = keeping.surroundings(kept.sheet.task.plan.tenant)
    incoming = comparing.read_lines(kind, layout, around, lambda done: _tick(kept.pk, done))
    return _Read(kind, layout, incoming)


def _tick(pk: int, done: int) -> None:
    # Outside the transaction that writes, or nobody would see it move.
    SheetImport.objects.filter(pk=pk).update(rows_checked=done)


def _preview(kept: SheetImport, held: Sheet, read: _Read, *, is_anew: bool = False) -> None:
    changes = comparing.compare(read.kind, read.incoming, _rows_of(held), replaces=False)
    problem = _too_many(held, changes)
    if problem:
        _refuse(kept, problem)
        return
    kept.report = comparing.report(read.kind, read.layout, read.incoming, changes)
    kept.report["is_anew"] = is_anew
    kept.state, kept.seen_revision = State.READY, held.revision
    kept.rows_found = kept.rows_checked = read.incoming.rows
    kept.save(update_fields=["report", "state", "seen_revision", "rows_found", "rows_checked"])


def _too_many(held: Sheet, changes: Changes) -> str:
    if held.rows_total + len(changes.new) <= MOST_ROWS:
        return ""
    return f"A sheet has {MOST_ROWS:,} rows at most; with these it would have more."


def _refuse(kept: SheetImport, reason: str) -> None:
    kept.state, kept.refusal = State.REFUSED, printable(reason[:500])
    kept.save(update_fields=["state", "refusal"])


def _rows_of(sheet: Sheet) -> dict[str, Kept]:
    rows = SheetRow.objects.filter(sheet=sheet).order_by()
    names = ("key", "pk", "public_id", "position", "values", "version")
    return {key: Kept(*rest) for key, *rest in rows.values_list(*names).iterator(chunk_size=5000)}


def confirm_import(kept: SheetImport, *, duplicates: str, by: User) -> None:
    """Somebody read the preview and wants it: from now on it is theirs, whoever showed the file.
    A second yes changes nothing."""
    if kept.report.get("problem_rows"):
        raise OnboardingError(
            "Some rows hold what cannot be kept. Correct them in your file and import it again: "
            "nothing was imported."
        )
    ready = SheetImport.objects.filter(pk=kept.pk, state=State.READY)
    chosen = SheetImport.Duplicates(duplicates)
    if not ready.update(state=State.IMPORTING, duplicates=chosen, made_by=by, rows_checked=0):
        raise OnboardingError("This import was begun already, or dropped.")
    kept.state, kept.duplicates, kept.made_by = State.IMPORTING, chosen, by


def run_import(kept: SheetImport) -> None:
    """Take all of it over, or nothing. A sheet that changed since the preview makes another one."""
    if kept.state != State.IMPORTING:
        return
    if kept.sheet.task.plan.tenant.is_closed:
        _refuse(kept, _CLOSED)
        return
    try:
        read = _read(kept)
    except Unreadable as error:
        # It was readable when it was shown, so this is our rules having changed meanwhile.
        _refuse(kept, str(error))
        return
    with transaction.atomic():
        held = hold(kept.sheet)
        if held.task.plan.tenant.is_closed:
            # Both sides signed while a large file was read.
            _refuse(kept, _CLOSED)
            return
        waiting = SheetImport.objects.select_for_update().filter(pk=kept.pk)
        if not waiting.filter(state=State.IMPORTING).exists():
            return
        if held.revision != kept.seen_revision or read.incoming.problem_rows:
            _preview(kept, held, read, is_anew=True)
            return
        _take_over(kept, held, read)


def _take_over(kept: SheetImport, held: Sheet, read: _Read) -> None:
    replaces = kept.duplicates == SheetImport.Duplicates.REPLACE
    changes = comparing.compare(read.kind, read.incoming, _rows_of(held), replaces=replaces)
    _write(held, changes, by=kept.made_by)
    kept.report = {
        "new": len(changes.new),
        "replaced": len(changes.changed),
        "left": len(changes.differing) if not replaces else 0,
        "same": changes.same,
        "repeated": read.incoming.repeated,
    }
    if changes.new or changes.changed:
        assert kept.made_by is not None, "a person who is gone confirms nothing"
        before = keeping.answers(read.kind, [there.values for there, _, _ in changes.changed])
        after = keeping.answers(read.kind, [values for _, _, values in changes.changed])
        keeping.note_change(
            held,
            "imported",
            by=kept.made_by,
            what=kept.name,
            rows=len(changes.new) + after - before,
            added=len(changes.new),
            replaced=len(changes.changed),
        )
    kept.state, kept.done_at, kept.content = State.DONE, timezone.now(), b""
    kept.save(update_fields=["report", "state", "done_at", "content"])


def _write(held: Sheet, changes: Changes, *, by: User | None) -> None:
    now = timezone.now()
    position = keeping.last_position(held)
    SheetRow.objects.bulk_create(
        (
            SheetRow(
                sheet=held,
                position=position + place,
                key=key,
                values=values,
                text=text_of(values),
                changed_by=by,
                changed_at=now,
            )
            for place, (key, values) in enumerate(changes.new, start=1)
        ),
        batch_size=_BATCH,
    )
    # An upsert by key: one statement for a thousand rows, where an update by CASE takes minutes.
    SheetRow.objects.bulk_create(
        (
            SheetRow(
                public_id=there.public_id,
                sheet=held,
                position=there.position,
                key=key,
                values=values,
                text=text_of(values),
                version=there.version + 1,
                changed_by=by,
                changed_at=now,
            )
            for there, key, values in changes.changed
        ),
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["sheet", "key"],
        update_fields=["values", "text", "version", "changed_by", "changed_at"],
    )


def drop_import(kept: SheetImport) -> bool:
    """Let go of what was read; one that is being taken over runs to its end, unless its worker
    must be dead by now."""
    rows = SheetImport.objects.filter(pk=kept.pk)
    alive = Q(state=State.IMPORTING, made_at__gte=timezone.now() - DEAD_AFTER)
    return bool(rows.exclude(alive).delete()[0])


def put_off(public_id: str) -> None:
    """Nobody can take it over just now: it waits for another yes."""
    rows = SheetImport.objects.filter(public_id=public_id, state=State.IMPORTING)
    rows.update(state=State.READY)


def drop_abandoned() -> None:
    """Previews that nobody said yes to hold other people's addresses: they go after a day."""
    old = SheetImport.objects.filter(made_at__lt=timezone.now() - ABANDONED_AFTER)
    old.filter(state__in=(State.READY, State.REFUSED)).delete()
