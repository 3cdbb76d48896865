"""Tests of the progress of an import and of the restart after a lost worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.urls import reverse
from django.utils import timezone

from onboarding.models import SheetImport
from onboarding.requirements import imports
from onboarding.requirements.import_progress import is_stalled, progress_of
from onboarding.requirements.import_stages import STALLED_AFTER
from onboarding.requirements.tasks import import_sheet, resume_imports
from onboarding.requirements.xlsx_writer import write_workbook
from tenants.models import Tenant, User
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.requirements.sheet_rows import job, sheet_of, shown, values

ROWS = 4500


@pytest.fixture(autouse=True)
def no_earlier_progress() -> None:
    cache.clear()


def _lines(count: int = ROWS) -> list[list[str]]:
    return [[f"person{n}@outside.test"] for n in range(count)]


def _text(count: int = ROWS) -> bytes:
    return "\n".join(line[0] for line in _lines(count)).encode()


def _kept() -> SheetImport:
    return SheetImport.objects.select_related("sheet__task__plan__tenant", "created_by").get()


@contextmanager
def observing(table: str, observe: Callable[[], None]) -> Iterator[None]:
    """Record the progress at each write to the table, as an open page would."""

    def observed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if sql.startswith(("INSERT INTO", "UPDATE")) and f'"{table}"' in sql.split("(")[0]:
            observe()
        return answer

    with connection.execute_wrapper(observed):
        yield


@pytest.mark.parametrize("content", [_text(), write_workbook("x", _lines())], ids=["csv", "xlsx"])
def test_reading_and_checking_report_progress(tenant: Tenant, owner: User, content: bytes) -> None:
    kept = imports.create_import(sheet_of(tenant), name="rows", content=content, by=owner)
    seen: list[tuple[str, int, int]] = []

    def observe() -> None:
        progress = progress_of(_kept())
        if progress is not None:
            seen.append((progress.stage.value, progress.done, progress.total))

    with observing("onboarding_sheetimport", observe):
        import_sheet(kept.public_id)

    assert _kept().status == "ready"
    # Progress is reported after the write, so it shows at the next one.
    assert list(dict.fromkeys(seen)) == [
        ("reading", 0, 0),
        ("reading", 2000, ROWS),
        ("reading", 4000, ROWS),
        ("checking", 0, ROWS),
        ("checking", 2000, ROWS),
        ("checking", 4000, ROWS),
    ]


@pytest.mark.slow
def test_progress_is_visible_before_commit(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet = sheet_of(tenant)
    kept = shown(sheet, _text(2500), owner)
    imports.confirm_import(kept, duplicates="skip", by=owner)
    page = reverse(
        "onboarding:requirements-import-show",
        args=[tenant.public_id, sheet.public_id, kept.public_id],
    )
    client = signed_in(owner)
    seen: list[str] = []

    def observe() -> None:
        seen.extend(texts(client.get(page).content.decode(), "progress"))

    with observing("onboarding_sheetrow", observe):
        import_sheet(kept.public_id)

    # The third of three stages, with 0, 1000 and 2000 of 2500 rows reported.
    assert list(dict.fromkeys(seen)) == ["66%", "80%", "93%"]
    assert len(values(sheet)) == 2500


def test_progress_of_lost_worker_is_ignored(tenant: Tenant, owner: User) -> None:
    kept = shown(sheet_of(tenant), _text(2500), owner)
    imports.confirm_import(kept, duplicates="skip", by=owner)
    full = DatabaseError("the disk is full")

    def fail() -> None:
        progress = progress_of(_kept())
        if progress is not None and progress.done:
            raise full

    with observing("onboarding_sheetrow", fail), pytest.raises(DatabaseError):
        import_sheet(kept.public_id)
    before = progress_of(_kept())
    imports.start_attempt(_kept())
    after = progress_of(_kept())

    assert before is not None
    assert after is not None
    assert (before.stage, before.done) == ("writing", 1000)
    assert (after.stage, after.done) == ("reading", 0)
    assert values(sheet_of(tenant)) == []


def _lose(kept: SheetImport, **columns: Any) -> None:
    long_ago = timezone.now() - STALLED_AFTER - timedelta(seconds=1)
    SheetImport.objects.filter(pk=kept.pk).update(progress_at=long_ago, **columns)


@pytest.mark.parametrize("status", ["reading", "importing"])
def test_lost_import_is_restarted(tenant: Tenant, owner: User, status: str) -> None:
    kept = shown(sheet_of(tenant), _text(3), owner)
    _lose(kept, status=status, attempts=1)

    resume_imports()

    assert _kept().status == {"reading": "ready", "importing": "done"}[status]


def test_active_import_is_not_restarted(tenant: Tenant, owner: User) -> None:
    kept = shown(sheet_of(tenant), _text(3), owner)
    imports.confirm_import(kept, duplicates="skip", by=owner)

    resume_imports()

    assert (_kept().status, _kept().attempts) == ("importing", 0)


def test_import_fails_after_three_attempts(tenant: Tenant, owner: User) -> None:
    kept = shown(sheet_of(tenant), _text(3), owner)
    _lose(kept, status="importing", attempts=3)

    resume_imports()

    assert _kept().status == "failed"
    assert _kept().error.startswith("The import was started three times")
    assert values(sheet_of(tenant)) == []


def test_page_shows_a_stalled_import(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet = sheet_of(tenant)
    kept = shown(sheet, _text(3), owner)
    _lose(kept, status="importing", attempts=1)

    html = (
        signed_in(owner)
        .get(
            reverse(
                "onboarding:requirements-import-show",
                args=[tenant.public_id, sheet.public_id, kept.public_id],
            )
        )
        .content.decode()
    )

    assert "It restarts automatically. The sheet was not changed." in html
    assert "<progress" not in html


def test_progress_while_writing_counts(tenant: Tenant, owner: User) -> None:
    kept = shown(sheet_of(tenant), _text(1500), owner)
    imports.confirm_import(kept, duplicates="skip", by=owner)
    lost: list[bool] = []

    def observe() -> None:
        # The transaction that writes does not update the import's own row.
        _lose(kept)
        lost.append(is_stalled(_kept(), now=timezone.now()))

    with observing("onboarding_sheetrow", observe):
        import_sheet(kept.public_id)

    assert set(lost) == {False}


def test_finished_import_cannot_be_discarded(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    sheet = sheet_of(tenant)
    kept = job(sheet, "ann@outside.test", owner)

    page = signed_in(owner).post(
        reverse(
            "onboarding:requirements-import-discard",
            args=[tenant.public_id, sheet.public_id, kept.public_id],
        ),
        follow=True,
    )

    (message,) = [str(message) for message in page.context["messages"]]
    assert message == "The import is running or finished. It was not discarded."
    assert SheetImport.objects.filter(pk=kept.pk).exists()


def test_second_reader_changes_nothing(tenant: Tenant, owner: User) -> None:
    kept = imports.create_import(sheet_of(tenant), name="rows", content=b"a.example", by=owner)
    imports.read_import(SheetImport.objects.get(pk=kept.pk))
    brought_in = _kept()
    imports.confirm_import(brought_in, duplicates="skip", by=owner)

    imports.read_import(kept)

    assert _kept().status == "importing"
