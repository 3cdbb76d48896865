"""Tests of the time that an import, a page and an export of fifty thousand rows need."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import Workbook

from onboarding.models import SheetImport
from onboarding.requirements import imports
from onboarding.requirements.parsers import read_table
from tenants.models import Tenant, User
from tests.factories import SignIn
from tests.onboarding.requirements.sheet_rows import sheet_of, shown

ROWS = 50_000
pytestmark = pytest.mark.slow
# The figures show with --log-cli-level=INFO.
logger = logging.getLogger(__name__)


def _csv(count: int) -> bytes:
    lines = (f"u{n % 500}@northwind.test,sender{n}@d{n % 900}.example,permit" for n in range(count))
    return "\n".join(["User,Sender,Action", *lines]).encode()


def _xlsx(count: int) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["User", "Sender", "Action"])
    for n in range(count):
        sheet.append([f"u{n % 500}@northwind.test", f"sender{n}@d{n % 900}.example", "permit"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _timed(act: Callable[[], Any], within: float, what: str) -> Any:
    began = time.monotonic()
    result = act()
    took = time.monotonic() - began
    logger.info("%s: %.2f s", what, took)
    assert took < within, f"{what} took {took:.1f} s"
    return result


def _confirmed(buffer: SheetImport, duplicates: str) -> SheetImport:
    assert buffer.created_by is not None
    imports.confirm_import(buffer, duplicates=duplicates, by=buffer.created_by)
    imports.run_import(buffer)
    return SheetImport.objects.get(pk=buffer.pk)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        pytest.param(_csv, ROWS, id="csv", marks=pytest.mark.nightly),
        pytest.param(_xlsx, ROWS, id="xlsx", marks=pytest.mark.nightly),
        pytest.param(_xlsx, ROWS // 10, id="short"),
    ],
)
def test_many_rows_import_quickly(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    make: Callable[[int], bytes],
    count: int,
) -> None:
    sheet, content = sheet_of(tenant, "managed-senders"), make(count)

    buffer = _timed(lambda: shown(sheet, content, owner), 60, "preview")
    assert buffer.report["new"] == count
    _timed(lambda: _confirmed(buffer, "skip"), 90, "import")
    sheet.refresh_from_db()
    assert sheet.row_count == count

    _page(signed_in(owner), sheet.public_id, tenant, count)
    _export(signed_in(owner), sheet.public_id, tenant, count)

    changed = _csv(count).replace(b",permit", b",block")
    again = shown(sheet, changed, owner)
    assert again.report["differing"] == count
    done = _timed(lambda: _confirmed(again, "replace"), 90, "replacing")
    assert (done.status, done.report["replaced"]) == ("done", count)


def _page(client: Client, sheet_id: str, tenant: Tenant, count: int) -> None:
    address = reverse("onboarding:requirements-sheet", args=[tenant.public_id, sheet_id])
    client.get(address)
    for what, query in {
        "first": "",
        "last": f"?page={count // 50}",
        "search": f"?q=sender{count - 1}@",
    }.items():
        html = _timed(
            lambda query=query: client.get(address + query).content.decode(),  # type: ignore[misc]
            1,
            f"{what} page",
        )
        assert html.count("<tr id=") == (1 if what == "search" else 50)


def _export(client: Client, sheet_id: str, tenant: Tenant, count: int) -> None:
    """The whole export, with the first bytes at once."""
    address = reverse("onboarding:requirements-export", args=[tenant.public_id, sheet_id])
    for ending in ("csv", "xlsx"):
        query = f"?columns=all&format={ending}"
        pieces = iter(client.get(address + query))
        first = _timed(pieces.__next__, 2, f"first of the {ending}")
        rest = _timed(lambda pieces=pieces: b"".join(pieces), 15, f"rest of the {ending}")  # type: ignore[misc]
        content = first + rest
        assert len(read_table(content).lines) == count + 1
