"""Reads an archive and verifies everything in it, without the database.

The preview and the import use the same rows, so that nothing is imported that was not verified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models

from onboarding.errors import OnboardingError
from onboarding.lifecycle.archive import rules
from onboarding.lifecycle.archive.cycles import Links
from onboarding.lifecycle.archive.format import ArchivedRow, ArchiveError, read_rows
from onboarding.lifecycle.archive.tables import (
    CONTENTS,
    FILE_ORDER,
    PEOPLE,
    STORED_FILES,
    TABLE_OF_NAME,
    TEMPLATE,
    ArchiveTable,
)
from onboarding.lifecycle.archive.values import InvalidColumnValue, from_json
from onboarding.plan_templates.content import read_content
from tenants.activity import HASH_VERSION, hash_of
from tenants.models import ActivityLine, Tenant, User

Values = dict[str, Any]
_SIDES = ("mimecast", "client")
_NAMES_OF = MappingProxyType(
    {
        PEOPLE: frozenset(("id", "name", "email", "side")),
        TEMPLATE: frozenset(("content",)),
        CONTENTS: frozenset(("table", "file", "part", "data")),
    }
)


@dataclass(frozen=True)
class VerifiedRow:
    """A row with Python values. `references` are keys of rows before it, or of `late` rows."""

    table: str
    values: Values
    references: dict[str, str | None] = field(default_factory=dict)
    people: dict[str, str | None] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    # The bytes of a part of a file, and whether it is the last one.
    data: bytes = b""
    is_last: bool = False


@dataclass
class _File:
    """The content of one file while it is read. `sha256` is empty where the row has none."""

    table: str
    key: str
    size: int
    sha256: str
    parts: int = 0
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


@dataclass
class _State:
    """The facts of the rows so far that later rows must agree with."""

    counts: dict[str, int] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    # References to rows that had not followed yet: table, key, place.
    late: list[tuple[str, str, str]] = field(default_factory=list)
    links: Links = field(default_factory=Links)
    files: list[_File] = field(default_factory=list)
    tenant_id: str = ""
    head: str = ""


def verified_rows(file: BinaryIO) -> Iterator[VerifiedRow]:
    """All rows of the archive in its order.

    Raises ArchiveError with a sentence that names the place of the first fault. It can follow after
    many rows, so that a caller must not commit before the end.
    """
    state = _State()
    for row in read_rows(file, FILE_ORDER, max_bytes=settings.ARCHIVE_MAX_BYTES):
        state.counts[row.table] = row.number
        _refuse_other_names(row)
        yield _READERS.get(row.table, _model_row)(row, state)
    _refuse_incomplete(state)


def _refuse_other_names(row: ArchivedRow) -> None:
    table = TABLE_OF_NAME.get(row.table)
    names = table.names if table is not None else _NAMES_OF[row.table]
    if unknown := sorted(set(row.values) - names):
        raise ArchiveError(f"The field “{unknown[0][:60]}” in {row.place} is unknown.")
    if missing := sorted(names - set(row.values)):
        raise ArchiveError(f"The field “{missing[0]}” in {row.place} is missing.")


def _refuse_incomplete(state: _State) -> None:
    for name in ("tenant", "plan", TEMPLATE):
        if state.counts.get(name) != 1:
            raise ArchiveError(f"The archive needs exactly one row in “{name}”.")
    for table, key, place in state.late:
        if key not in state.keys.get(table, ()):
            raise ArchiveError(f"{place.capitalize()} refers to “{key[:40]}”, which is missing.")
    state.links.refuse_cycles()
    if state.files:
        raise ArchiveError(f"The content of {state.files[0].key} is incomplete.")
    if not state.head:
        raise ArchiveError("The archive has no activity log.")


# --- The rows that are no rows of a model


def _text(row: ArchivedRow, name: str, most: int) -> str:
    value = row.values[name]
    if not isinstance(value, str) or len(value) > most:
        raise ArchiveError(f"The field “{name}” in {row.place} is no text of this length.")
    return value


def _person(row: ArchivedRow, state: _State) -> VerifiedRow:
    identifier = _text(row, "id", 32)
    email = _text(row, "email", 254)
    name = _text(row, "name", 100)
    if not rules.PUBLIC_ID.fullmatch(identifier) or row.values["side"] not in _SIDES:
        raise ArchiveError(f"The id or the side in {row.place} is invalid.")
    try:
        validate_email(email)
    except ValidationError as error:
        raise ArchiveError(f"The address in {row.place} is invalid.") from error
    _add_key(state, PEOPLE, identifier, row.place)
    values = {"id": identifier, "name": name, "email": email, "side": row.values["side"]}
    return VerifiedRow(PEOPLE, values)


def _template(row: ArchivedRow, state: _State) -> VerifiedRow:
    content = row.values["content"]
    try:
        read_content({**content, "version": 1})
    except (OnboardingError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(f"The plan template of the archive is invalid: {error}") from error
    return VerifiedRow(TEMPLATE, {"content": content})


def _part(row: ArchivedRow, state: _State) -> VerifiedRow:
    """One part of the file whose turn it is, in the order of the rows of the files."""
    if not state.files:
        raise ArchiveError(f"No file of the archive has the content in {row.place}.")
    file = state.files[0]
    wanted = (file.table, file.key, file.parts + 1)
    if (row.values["table"], row.values["file"], row.values["part"]) != wanted:
        raise ArchiveError(f"The content of {file.key} is not complete before {row.place}.")
    try:
        data = base64.b64decode(_text(row, "data", 2**24), validate=True)
    except binascii.Error as error:
        raise ArchiveError(f"The content in {row.place} is no base64 text.") from error
    file.parts, file.received = file.parts + 1, file.received + len(data)
    file.digest.update(data)
    if file.received > file.size or (not data and file.size):
        raise ArchiveError(f"The content of {file.key} has another size than its row.")
    is_last = file.received == file.size
    if is_last:
        if file.sha256 and file.digest.hexdigest() != file.sha256:
            raise ArchiveError(f"The content of the file {file.key} does not match its SHA-256.")
        state.files.pop(0)
    values = {"table": file.table, "file": file.key, "part": file.parts}
    return VerifiedRow(CONTENTS, values, data=data, is_last=is_last)


# --- The rows of the models


def _model_row(row: ArchivedRow, state: _State) -> VerifiedRow:
    table = TABLE_OF_NAME[row.table]
    values = {each.name: _value(each, row) for each in table.columns}
    if fault := rules.fault_of(row.table, values):
        raise ArchiveError(f"The archive cannot be imported: {row.place} {fault}.")
    found = VerifiedRow(
        row.table,
        values,
        {name: _reference(name, other, row, state) for name, other in table.references.items()},
        {name: _person_key(row.values[name], row, state) for name in table.people},
        {name: _many(table, name, row, state) for name in table.many},
    )
    if table.key:
        _add_key(state, row.table, str(values[table.key]), row.place)
    for name, other in table.references.items():
        if other is table and (reference := found.references[name]) is not None:
            state.links.add(row.table, name, str(values[table.key]), row.place, reference)
    if row.table == "tasks":
        state.links.add_task(values, found.references["parent"], row.place)
    if row.table in STORED_FILES:
        state.files.append(_file(row.table, values))
    if row.table == "tenant":
        state.tenant_id = values["public_id"]
    return found


def _value(column: Any, row: ArchivedRow) -> Any:
    try:
        value = from_json(column, row.values[column.name])
        if isinstance(column, models.JSONField) and not (value is None and column.null):
            rules.refuse_other_json(column.name, column.default, value)
    except InvalidColumnValue as error:
        raise ArchiveError(f"The field “{column.name}” in {row.place} {error}.") from error
    except ArchiveError as error:
        raise ArchiveError(f"In {row.place}, {error}.") from error
    return value


def _add_key(state: _State, table: str, key: str, place: str) -> None:
    known = state.keys.setdefault(table, set())
    if key in known:
        raise ArchiveError(f"{place.capitalize()} repeats the key “{key[:40]}” of another row.")
    known.add(key)


def _reference(name: str, other: ArchiveTable, row: ArchivedRow, state: _State) -> str | None:
    key = row.values[name]
    table = TABLE_OF_NAME[row.table]
    if key is None:
        if not table.model._meta.get_field(name).null:
            raise ArchiveError(f"The field “{name}” in {row.place} refers to nothing.")
        return None
    if isinstance(key, str) and name in table.late:
        state.late.append((other.name, key, row.place))
    elif not isinstance(key, str) or key not in state.keys.get(other.name, ()):
        raise ArchiveError(f"The field “{name}” in {row.place} refers to a row that is missing.")
    return key


def _person_key(key: Any, row: ArchivedRow, state: _State) -> str | None:
    if key is not None and (not isinstance(key, str) or key not in state.keys.get(PEOPLE, ())):
        raise ArchiveError(f"{row.place.capitalize()} names a person who is missing in “people”.")
    return key


def _many(table: ArchiveTable, name: str, row: ArchivedRow, state: _State) -> list[str]:
    keys = row.values[name]
    related = table.model._meta.get_field(name).related_model
    other = PEOPLE if related is User else "tasks"
    known = state.keys.get(other, set())
    if not isinstance(keys, list) or not all(isinstance(k, str) and k in known for k in keys):
        raise ArchiveError(f"The field “{name}” in {row.place} refers to a row that is missing.")
    return keys


def _file(table: str, values: Values) -> _File:
    return _File(table, values["public_id"], values["size"], values.get("sha256", ""))


def _activity_line(row: ArchivedRow, state: _State) -> VerifiedRow:
    """A line, with its hash and its link to the line before it."""
    found = _model_row(row, state)
    line = as_line(found, Tenant(public_id=state.tenant_id))
    when = f"line {row.number} of the activity log, of {line.at:%Y-%m-%d %H:%M},"
    if line.number != row.number:
        raise ArchiveError(f"Line {row.number} of the activity log is missing.")
    is_known = line.version in range(1, HASH_VERSION + 1)
    if not is_known or line.previous_hash != state.head or line.hash != hash_of(line):
        raise ArchiveError(f"The archive was changed: {when} does not match its hash.")
    state.head = line.hash
    return found


def as_line(row: VerifiedRow, tenant: Tenant) -> ActivityLine:
    """The line as the hash covers it. Its actor is not stored."""
    key = row.people["actor"]
    actor = User(origin_id=key) if key is not None else None
    return ActivityLine(**row.values, tenant=tenant, scope=tenant.public_id, actor=actor)


_READERS: Mapping[str, Callable[[ArchivedRow, _State], VerifiedRow]] = MappingProxyType(
    {PEOPLE: _person, TEMPLATE: _template, CONTENTS: _part, "activity": _activity_line}
)
