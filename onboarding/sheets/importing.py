"""Taking a paste or a file into a sheet: read and compared first, then all of it or nothing.

1. `begin_import` keeps the content. Nothing of the sheet changes.
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

from onboarding.errors import OnboardingError
from onboarding.file_types import safe_name
from onboarding.models import Sheet, SheetImport, SheetRow
from onboarding.sheets import comparing, keeping
from onboarding.sheets.columns import Kind
from onboarding.sheets.comparing import Changes, Incoming, Kept
from onboarding.sheets.entries import text_of
from onboarding.sheets.headings import Layout, laid_out
from onboarding.sheets.import_progress import Stage, Tell, is_lost, teller
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
_MOST_ATTEMPTS = 3
PASTED = "pasted rows"
_GIVEN_UP = (
    "It was begun three times, and each time the work stopped before its end. Nothing was"
    " imported: take it over in smaller files, or tell your consultant."
)
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


def begin_attempt(kept: SheetImport) -> bool:
    """Count a worker's beginning; False once it is no use, and the import is refused."""
    rows = SheetImport.objects.filter(pk=kept.pk, state=kept.state)
    if kept.is_under_way and kept.attempts >= _MOST_ATTEMPTS:
        # By condition: the worker taken for lost may have come to its end meanwhile.
        rows.update(state=State.REFUSED, refusal=_GIVEN_UP)
        return False
    if not rows.update(attempts=F("attempts") + 1, moved_at=timezone.now(), rows_checked=0):
        return False
    kept.attempts += 1
    return True


def lost_imports(*, now: datetime) -> list[SheetImport]:
    """Those that a worker, or the broker, took away with it."""
    waiting = SheetImport.objects.filter(state__in=(State.READING, State.IMPORTING))
    return [kept for kept in waiting.defer("content") if is_lost(kept, now=now)]


def read_import(kept: SheetImport) -> None:
    """Read the content and keep the preview, or why it cannot be read."""
    if kept.state != State.READING:
        return
    try:
        read = _read(kept, teller(kept))
    except Unreadable as error:
        _refuse(kept, str(error))
        return
    with transaction.atomic():
        _preview(kept, hold(kept.sheet), read)


def _read(kept: SheetImport, tell: Tell) -> _Read:
    kind = kind_of(kept.sheet)
    tell(Stage.READING, 0, 0)
    table = read_table(bytes(kept.content), functools.partial(tell, Stage.READING))
    layout = laid_out(kind, table)
    total = len(layout.lines)
    tell(Stage.CHECKING, 0, total)
    around = keeping.surroundings(kept.sheet.task.plan.tenant)
    incoming = comparing.read_lines(
        kind, layout, around, lambda done: tell(Stage.CHECKING, done, total)
    )
    tell(Stage.CHECKING, total, total)
    return _Read(kind, layout, incoming)


def _preview(kept: SheetImport, held: Sheet, read: _Read, *, is_anew: bool = False) -> None:
    changes = comparing.compare(read.kind, read.incoming, _rows_of(held), replaces=False)
    problem = _too_many(held, changes)
    if problem:
        _refuse(kept, problem)
        return
    report = comparing.report(read.kind, read.layout, read.incoming, changes)
    _move(
        kept,
        state=State.READY,
        report=report | {"is_anew": is_anew},
        seen_revision=held.revision,
        rows_found=read.incoming.rows,
        rows_checked=read.incoming.rows,
    )


def _too_many(held: Sheet, changes: Changes) -> str:
    if held.rows_total + len(changes.new) <= MOST_ROWS:
        return ""
    return f"A sheet has {MOST_ROWS:,} rows at most; with these it would have more."


def _refuse(kept: SheetImport, reason: str) -> None:
    _move(kept, state=State.REFUSED, refusal=printable(reason[:500]))


def _move(kept: SheetImport, **columns: Any) -> None:
    """By condition: of two workers at one import the later changes nothing, nor does one whose
    import was dropped meanwhile."""
    if SheetImport.objects.filter(pk=kept.pk, state=kept.state).update(**columns):
        for name, value in columns.items():
            setattr(kept, name, value)


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
    said = {"duplicates": chosen, "made_by": by, "moved_at": timezone.now()}
    if not ready.update(state=State.IMPORTING, attempts=0, rows_checked=0, **said):
        raise OnboardingError("This import was begun already, or dropped.")
    kept.state, kept.duplicates, kept.made_by = State.IMPORTING, chosen, by
    kept.attempts = 0


def run_import(kept: SheetImport) -> None:
    """Take all of it over, or nothing. A sheet that changed since the preview makes another one."""
    if kept.state != State.IMPORTING:
        return
    if kept.sheet.task.plan.tenant.is_closed:
        _refuse(kept, _CLOSED)
        return
    tell = teller(kept)
    try:
        read = _read(kept, tell)
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
        _take_over(kept, held, read, tell)


def _take_over(kept: SheetImport, held: Sheet, read: _Read, tell: Tell) -> None:
    replaces = kept.duplicates == SheetImport.Duplicates.REPLACE
    changes = comparing.compare(read.kind, read.incoming, _rows_of(held), replaces=replaces)
    _write(held, changes, by=kept.made_by, tell=tell)
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


def _write(held: Sheet, changes: Changes, *, by: User | None, tell: Tell) -> None:
    now = timezone.now()
    position = keeping.last_position(held)
    total = len(changes.new) + len(changes.changed)
    tell(Stage.WRITING, 0, total)
    for begin in range(0, len(changes.new), _BATCH):
        SheetRow.objects.bulk_create(
            SheetRow(
                sheet=held,
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
        tell(Stage.WRITING, min(begin + _BATCH, len(changes.new)), total)
    for begin in range(0, len(changes.changed), _BATCH):
        _replace(held, changes.changed[begin : begin + _BATCH], by=by, at=now)
        tell(Stage.WRITING, min(len(changes.new) + begin + _BATCH, total), total)


def _replace(
    held: Sheet,
    changed: Sequence[tuple[Kept, str, dict[str, str]]],
    *,
    by: User | None,
    at: datetime,
) -> None:
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
                changed_at=at,
            )
            for there, key, values in changed
        ),
        update_conflicts=True,
        unique_fields=["sheet", "key"],
        update_fields=["values", "text", "version", "changed_by", "changed_at"],
    )


def drop_import(kept: SheetImport, *, now: datetime) -> bool:
    """Let go of what was read, or of what a lost worker was to take over. What is being taken over
    runs to its end, and what was taken over stays."""
    droppable = [State.READING, State.READY, State.REFUSED]
    if is_lost(kept, now=now):
        droppable.append(State.IMPORTING)
    return bool(SheetImport.objects.filter(pk=kept.pk, state__in=droppable).delete()[0])


def put_off(public_id: str) -> None:
    """Nobody can take it over just now: it waits for another yes."""
    rows = SheetImport.objects.filter(public_id=public_id, state=State.IMPORTING)
    rows.update(state=State.READY)


def drop_abandoned() -> None:
    """Previews that nobody said yes to hold other people's addresses: they go after a day."""
    old = SheetImport.objects.filter(made_at__lt=timezone.now() - ABANDONED_AFTER)
    old.filter(state__in=(State.READY, State.REFUSED)).delete()
