"""A manipulated, incomplete or hostile archive is refused with a sentence that names the place."""

from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from onboarding.lifecycle.archive import format as archive_format
from onboarding.lifecycle.archive.format import ArchiveError
from onboarding.lifecycle.archive.importing import IMPORTED_ALREADY
from onboarding.lifecycle.archive.preview import preview_of
from onboarding.lifecycle.archive.tables import EXCLUDED_MODELS, TABLES
from onboarding.lifecycle.archive.validation import verified_rows
from tenants.models import ActivityChain, Tenant, User
from tests.factories import MakeTenant
from tests.onboarding.lifecycle.archive.worlds import (
    Tables,
    archive_of,
    edited,
    erased,
    imported,
    rich_tenant,
    tables_of,
)
from tests.onboarding.lifecycle.test_offboarding import _belongs_to_a_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
_BUILT: list[bytes] = []


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: Any) -> Path:
    settings.FILES_DIR = tmp_path
    return tmp_path


@pytest.fixture
def archive(make_tenant: MakeTenant, django_capture_on_commit_callbacks: Any) -> bytes:
    """The archive of a tenant that is not in the database. Built once."""
    if not _BUILT:
        with django_capture_on_commit_callbacks(execute=True):
            tenant, administrator = rich_tenant(make_tenant)
            _BUILT.append(archive_of(tenant))
            erased(tenant, administrator)
    return _BUILT[0]


def _refusal(archive: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        for _ in verified_rows(io.BytesIO(archive)):
            pass
    return str(caught.value)


def _set(table: str, name: str, value: object, row: int = 0) -> Callable[[Tables], object]:
    return lambda tables: tables[table][row].update({name: value})


def _remove(table: str, name: str) -> Callable[[Tables], object]:
    return lambda tables: tables[table][0].pop(name)


def _refer(tables: Tables, table: str, name: str, rows: list[int]) -> None:
    """Let each of these rows refer to the next one."""
    for row, following in pairwise(rows):
        tables[table][row][name] = tables[table][following]["public_id"]


def _depend(tables: Tables, rows: list[int]) -> None:
    for row, following in pairwise(rows):
        tables["tasks"][row]["depends_on"] = [tables["tasks"][following]["key"]]


def _drop_line(tables: Tables) -> None:
    del tables["activity"][2]


def _bomb() -> str:
    return base64.b64encode(zlib.compress(b" " * 40 * 1024 * 1024, 9)).decode()


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


CASES: dict[str, tuple[Callable[[Tables], object], str]] = {
    "line": (
        _set("activity", "params", {"reason": "Other."}, 3),
        "line 4 of the activity log, of",
    ),
    "actor": (
        lambda tables: tables["activity"][5].update(actor=tables["people"][0]["id"]),
        "line 6 of the activity log, of",
    ),
    "missing line": (_drop_line, "Line 3 of the activity log is missing."),
    "file": (
        _set("contents", "data", base64.b64encode(b"nOte").decode()),
        "does not match its SHA-256.",
    ),
    "longer file": (
        _set("contents", "data", base64.b64encode(b"note and more").decode()),
        "has another size than its row.",
    ),
    "lost content": (lambda tables: tables["contents"].clear(), "is incomplete."),
    "other content": (
        _set("contents", "file", "other"),
        "is not complete before row 1 of “contents”.",
    ),
    "raw answers": (
        _set("raw_answers", "body", base64.b64encode(zlib.compress(b"{}")).decode()),
        "row 1 of “raw_answers” does not match its digest.",
    ),
    "bomb": (
        _set("raw_answers", "body", _bomb()),
        "row 1 of “raw_answers” is larger than 32 MB, or damaged.",
    ),
    "no zlib": (
        _set("raw_answers", "body", "AAAA"),
        "row 1 of “raw_answers” cannot be decompressed.",
    ),
    "snapshot": (
        _set("cutover_snapshots", "content", {}),
        "row 1 of “cutover_snapshots” does not match its digest.",
    ),
    "decision": (
        _set("cutover_decisions", "content", {}),
        "row 1 of “cutover_decisions” does not match its digest.",
    ),
    "unknown field": (
        _set("tasks", "colour", "red"),
        "The field “colour” in row 1 of “tasks” is unknown.",
    ),
    "missing field": (
        _remove("tasks", "title"),
        "The field “title” in row 1 of “tasks” is missing.",
    ),
    "unknown table": (
        lambda tables: tables.update(secrets=[]),
        "The table “activity” does not end after row",
    ),
    "type": (
        _set("tasks", "position", "1"),
        "The field “position” in row 1 of “tasks” is no whole number.",
    ),
    "boolean": (
        _set("tasks", "applies", 1),
        "The field “applies” in row 1 of “tasks” is not true or false.",
    ),
    "range": (
        _set("hosts", "port", 2**70),
        "The field “port” in row 1 of “hosts” is invalid",
    ),
    "days": (
        _set("tasks", "wait_days", 2**31 - 1),
        "row 1 of “tasks” has more than 36500 days in “wait_days”.",
    ),
    "choice": (
        _set("tasks", "status", "great"),
        "The field “status” in row 1 of “tasks” is no known choice.",
    ),
    "length": (
        _set("tasks", "title", "x" * 201),
        "The field “title” in row 1 of “tasks” is invalid",
    ),
    "null": (
        _set("tasks", "title", None),
        "The field “title” in row 1 of “tasks” must not be null.",
    ),
    "time": (
        _set("tasks", "status_changed_at", "2026-11-29T10:00"),
        "is a time without its offset from UTC.",
    ),
    "first year": (
        _set("tasks", "wait_ends_at", "0001-01-01T00:00:00+00:00"),
        "The field “wait_ends_at” in row 1 of “tasks” is not in the years from 2000 to 2099.",
    ),
    "last year": (
        _set("tasks", "due_on", "9999-12-31"),
        "The field “due_on” in row 1 of “tasks” is not in the years from 2000 to 2099.",
    ),
    "list of mappings": (
        _set("tasks", "depends_on", [{}]),
        "row 1 of “tasks” has a value in “depends_on” that is no list of texts.",
    ),
    "json": (_set("tasks", "links", {}), "In row 1 of “tasks”, “links” is no list."),
    "link": (
        _set("tasks", "links", [{"title": "x", "url": "javascript:alert(1)"}]),
        "row 1 of “tasks” has a link that is no https address.",
    ),
    "source": (
        _set("tasks", "completed_by", [{"check": "spf", "strength": "strong"}]),
        "row 1 of “tasks” has an unknown proof source.",
    ),
    "reference": (
        _set("tasks", "phase", "nowhere"),
        "The field “phase” in row 1 of “tasks” refers to a row that is missing.",
    ),
    "late reference": (
        _set("checks", "latest", "nowhere"),
        "Row 1 of “checks” refers to “nowhere”, which is missing.",
    ),
    "person": (
        _set("memberships", "user", "nobody"),
        "Row 1 of “memberships” names a person who is missing in “people”.",
    ),
    "repeated": (
        lambda tables: tables["domains"].append(tables["domains"][0]),
        "Row 4 of “domains” repeats the key",
    ),
    "domain": (_set("domains", "name", "One.TEST"), "which is not normalised."),
    "host": (_set("hosts", "name", "a b"), "row 1 of “hosts” has an invalid name"),
    "region": (_set("tenant", "region", "moon"), "has the unknown region “moon”."),
    "zone": (_set("tenant", "time_zone", "../etc"), "has the unknown time zone “../etc”."),
    "file name": (_set("files", "name", "../note.txt"), "row 1 of “files” has an unsafe name."),
    "file type": (_set("files", "name", "note.html"), "is of a type that Gangway does not accept."),
    "header": (
        _set("files", "content_type", "text/html\r\nSet-Cookie: a"),
        "row 1 of “files” has an invalid type.",
    ),
    "finding": (
        _set("observations", "findings", [{"code": "../../base"}]),
        "row 1 of “observations” has a finding without a valid code.",
    ),
    "action": (
        _set("activity", "action", "../base"),
        "row 1 of “activity” has an invalid action.",
    ),
    "id": (
        _set("tenant", "public_id", "a/b"),
        "row 1 of “tenant” has an invalid public id.",
    ),
    "nul": (
        _set("comments", "body", "a\x00b"),
        "Row 1 of “comments” has a character that cannot be stored.",
    ),
    "depth": (
        _set("observations", "evidence", _nested(80)),
        "Row 1 of “observations” is nested too deeply.",
    ),
    "two plans": (
        lambda tables: tables["plan"].append(tables["plan"][0]),
        "The archive needs exactly one row in “plan”.",
    ),
    "template": (
        _set("template", "content", {"products": [], "phases": "none"}),
        "The plan template of the archive is invalid",
    ),
    "own parent": (
        lambda tables: _refer(tables, "tasks", "parent", [0, 0]),
        "Row 1 of “tasks” refers to itself through “parent”.",
    ),
    "cycle of parents": (
        lambda tables: _refer(tables, "tasks", "parent", [0, 1, 2, 0]),
        "refers to itself through “parent”.",
    ),
    "parent of a parent": (
        lambda tables: _refer(tables, "tasks", "parent", [2, 1, 0]),
        "Row 3 of “tasks” is a sub-task of a sub-task.",
    ),
    "cycle of replies": (
        lambda tables: _refer(tables, "comments", "reply_to", [0, 0]),
        "Row 1 of “comments” refers to itself through “reply_to”.",
    ),
    "cycle of dependencies": (
        lambda tables: _depend(tables, [1, 2, 1]),
        "refers to itself through “depends_on”.",
    ),
    "own dependency": (
        lambda tables: _depend(tables, [1, 1]),
        "Row 2 of “tasks” refers to itself through “depends_on”.",
    ),
    "log": (lambda tables: tables["activity"].clear(), "The archive has no activity log."),
}


@pytest.mark.parametrize("case", CASES)
def test_edited_archive_is_refused(archive: bytes, case: str) -> None:
    edit, sentence = CASES[case]

    assert sentence in _refusal(edited(archive, edit))


@pytest.mark.parametrize("table", ["activity", "observations", "contents", "tasks", "people"])
def test_altered_byte_is_refused(archive: bytes, table: str) -> None:
    start = archive.index(f'\n"{table}":[\n'.encode())
    place = archive.index(b'"row":{"', start) + len(b'"row":{"')
    altered = archive[:place] + bytes([archive[place] ^ 1]) + archive[place + 1 :]

    assert _refusal(altered) in (
        f"The archive was changed: row 1 of “{table}” does not match its SHA-256.",
        f"Row 1 of “{table}” cannot be read as JSON.",
    )


def test_every_altered_byte_is_refused(archive: bytes) -> None:
    rows = archive.index(b'"memberships"')
    for place in range(rows, rows + 600, 7):
        altered = archive[:place] + bytes([archive[place] ^ 1]) + archive[place + 1 :]

        assert _refusal(altered)


def _with(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda archive: archive.replace(old, new, 1)


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "newer": (
        _with(b'"version":1,"tables"', b'"version":2,"tables"'),
        "The archive has version 2 of the format. This Gangway reads version 1: update it first.",
    ),
    "field": (
        _with(b'"version":1,"tables"', b'"version":1,"signed":true,"tables"'),
        "The archive has the unknown field “signed”.",
    ),
    "other file": (
        lambda _: b"PK\x03\x04",
        "This file is not an archive of a tenant, or a program reformatted it.",
    ),
    "empty": (lambda _: b"", "The archive is incomplete: its end is missing."),
    "binary": (lambda _: b"\xff\xfe\x00", "Line 1 of the archive is not UTF-8 text."),
    "cut": (lambda a: a[: len(a) // 2], "cannot be read as JSON."),
    "end": (
        lambda a: a[: a.rindex(b"]")],
        "The archive is incomplete: its end is missing.",
    ),
    "more": (lambda a: a + b"{}\n", "The archive does not end after its last table."),
    "table": (
        _with(b'"people":[', b'"persons":['),
        "The archive has the unknown table “persons”.",
    ),
    "order": (
        _with(b'"people":[', b'"tasks":['),
        "The archive has no table “people” at its place.",
    ),
    "twice": (
        _with(b'"row":{"', b'"row":{"id":"x","'),
        "Row 1 of “people” cannot be read as JSON.",
    ),
    "constant": (_with(b'"side":"mimecast"', b'"side":NaN'), "cannot be read as JSON."),
    "nested": (
        _with(b'"side":"mimecast"', b'"side":' + b"[" * 100_000),
        "of “people” is nested too deeply.",
    ),
    "infinity": (_with(b'"side":"mimecast"', b'"side":1e999'), "cannot be read as JSON."),
    "number": (
        _with(b'"side":"mimecast"', b'"side":' + b"9" * 10_000),
        "cannot be read as JSON.",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file_is_refused(archive: bytes, case: str) -> None:
    change, sentence = BROKEN[case]

    assert sentence in _refusal(change(archive))


def test_long_line_is_refused(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_format, "MAX_LINE_BYTES", 5_000)

    assert re.fullmatch(r"Line \d+ of the archive is longer than 16 MB\.", _refusal(archive))


def test_large_archive_is_refused(archive: bytes, settings: Any) -> None:
    settings.ARCHIVE_MAX_BYTES = 10_000

    assert _refusal(archive) == "The archive is larger than ARCHIVE_MAX_BYTES permits."


def test_refused_archive_leaves_nothing(archive: bytes, files_dir: Path) -> None:
    before = (User.objects.count(), Tenant.objects.count(), ActivityChain.objects.count())
    stored = sorted(files_dir.rglob("*"))
    late = edited(archive, _set("activity", "params", {}, len(tables_of(archive)["activity"]) - 1))

    with pytest.raises(ArchiveError, match="The archive was changed: line"):
        imported(late)

    after = (User.objects.count(), Tenant.objects.count(), ActivityChain.objects.count())
    assert after == before
    assert [path for path in files_dir.rglob("*") if path.is_file() and path not in stored] == []


def test_second_import_is_refused(archive: bytes) -> None:
    imported(archive)

    with pytest.raises(ArchiveError):
        imported(archive)
    assert preview_of(io.BytesIO(archive))["refusal"] == IMPORTED_ALREADY
    assert Tenant.objects.count() == 1


def test_taken_name_is_refused(archive: bytes, make_tenant: MakeTenant) -> None:
    make_tenant("own", domains=(("quuxcorp.test", "primary"),))

    assert preview_of(io.BytesIO(archive))["refusal"].startswith(
        "A tenant with the name “own” exists."
    )
    with pytest.raises(ArchiveError, match="A tenant with the name “own” exists"):
        imported(archive)


def test_row_of_another_tenant_is_refused(archive: bytes, make_tenant: MakeTenant) -> None:
    """An archive never changes a row of another tenant, also not by its public id."""
    other = make_tenant("Other", domains=(("quuxcorp.test", "primary"),))
    domain = other.domains.get()

    def steal(tables: Tables) -> None:
        own = tables["domains"][0]["public_id"]
        for rows in tables.values():
            for row in rows:
                row.update({k: domain.public_id for k, v in row.items() if v == own})

    with pytest.raises(ArchiveError, match="exists in this installation"):
        imported(edited(archive, steal))
    domain.refresh_from_db()
    assert (domain.tenant, domain.name) == (other, "quuxcorp.test")


def test_every_table_is_archived_or_excluded() -> None:
    ours = {
        model
        for app in ("tenants", "checks", "onboarding")
        for model in apps.get_app_config(app).get_models()
        if _belongs_to_a_tenant(model)
    }

    archived = {table.model for table in TABLES}
    assert archived & set(EXCLUDED_MODELS) == set()
    assert archived | set(EXCLUDED_MODELS) == ours
    assert [model for model, reason in EXCLUDED_MODELS.items() if len(reason) < 10] == []


def test_every_relation_with_many_rows_is_archived() -> None:
    found = {
        (table.name, field.name)
        for table in TABLES
        for field in table.model._meta.many_to_many
        if field.remote_field.through is not None and field.remote_field.through._meta.auto_created
    }

    assert found == {(table.name, name) for table in TABLES for name in table.many}


def test_excluded_columns_exist_and_have_reasons() -> None:
    unknown = [
        (table.name, name)
        for table in TABLES
        for name, reason in table.without.items()
        if name not in {each.name for each in table.model._meta.concrete_fields} or not reason
    ]
    secret = ("token", "secret", "password", "stored_as", "claim")
    leaking = [
        (table.name, name)
        for table in TABLES
        for name in table.names
        if any(word in name for word in secret)
    ]

    # The ownership code is a DNS record that everybody can read.
    assert (unknown, leaking) == ([], [("domains", "ownership_token")])
