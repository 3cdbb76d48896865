"""Writes the archive of a tenant row by row, from one state of the database."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from onboarding.collaboration import file_store
from onboarding.lifecycle.archive.format import (
    ArchivedRow,
    ArchiveError,
    canonical,
    first_line,
    line_of,
)
from onboarding.lifecycle.archive.tables import (
    CONTENTS,
    FILE_ORDER,
    PEOPLE,
    STORED_FILES,
    TABLE_OF_NAME,
    TABLES,
    TEMPLATE,
    ArchiveTable,
)
from onboarding.lifecycle.archive.values import to_json
from onboarding.models import PlanTemplate
from onboarding.plan_templates.content import as_content
from onboarding.plan_templates.registry import template_version_of
from tenants.models import Tenant, User

PART_BYTES = 512 * 1024
_CHUNK = 500

Values = dict[str, Any]


def write_archive(tenant: Tenant, write: Callable[[bytes], Any]) -> str:
    """Write the archive, and return the SHA-256 of all its bytes as hex.

    Raises ArchiveError if the storage lacks a file of the tenant.
    """
    whole = hashlib.sha256()

    def put(text: str) -> None:
        data = text.encode()
        whole.update(data)
        write(data)

    with _one_state():
        put(first_line())
        people = _people_of(tenant)
        for table in FILE_ORDER:
            _write_table(
                put, table, _values_of(table, tenant, people), is_last=table == FILE_ORDER[-1]
            )
        put(f'}},"sha256":"{whole.hexdigest()}"}}\n')
    return whole.hexdigest()


@contextmanager
def _one_state() -> Iterator[None]:
    """All queries read the state at the first one. SQLite needs no more than a transaction."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _write_table(
    put: Callable[[str], None], table: str, rows: Iterator[Values], *, is_last: bool
) -> None:
    put(f'"{table}":[\n')
    separator = ""
    for number, values in enumerate(rows, start=1):
        put(separator + line_of(ArchivedRow(table, number, values)))
        separator = ",\n"
    put(("\n" if separator else "") + ("]\n" if is_last else "],\n"))


def _values_of(name: str, tenant: Tenant, people: dict[int, User]) -> Iterator[Values]:
    if name == PEOPLE:
        return _persons(people)
    if name == TEMPLATE:
        return iter([_template(PlanTemplate.objects.get(plan__tenant=tenant))])
    if name == CONTENTS:
        return _contents(tenant)
    return _rows_of(TABLE_OF_NAME[name], tenant, people)


# --- People and the template


def _people_of(tenant: Tenant) -> dict[int, User]:
    """Everybody to whom an archived row refers, by primary key."""
    ids: set[int] = set()
    for table in TABLES:
        rows = table.rows_of(tenant).order_by()
        relations = [name for name in table.many if _is_people(table, name)]
        for name in (*table.people, *relations):
            found = rows.exclude(**{name: None}).values_list(name, flat=True)
            ids.update(found.distinct())
    return User.objects.in_bulk(list(ids))


def _is_people(table: ArchiveTable, name: str) -> bool:
    return table.model._meta.get_field(name).related_model is User


def _persons(people: dict[int, User]) -> Iterator[Values]:
    """One row for each id. A tenant that returns to its first installation has lines of an imported
    person and of the account with the same id: the row is that of the imported person."""
    by_id = {each.archived_id: each for each in people.values() if not each.is_imported}
    by_id |= {each.archived_id: each for each in people.values() if each.is_imported}
    return (_person(by_id[key]) for key in sorted(by_id))


def _person(user: User) -> Values:
    """Nothing about accounts: no password, no role, no other tenant."""
    return {
        "id": user.archived_id,
        "name": user.name,
        "email": user.origin_email if user.is_imported else user.email,
        "side": "mimecast" if user.is_mimecast else "client",
    }


def _template(template: PlanTemplate) -> Values:
    return {"content": content_without_version(as_content(template_version_of(template)))}


def content_without_version(content: Values) -> Values:
    """The content of a template version. Each installation numbers its versions itself."""
    return {key: value for key, value in content.items() if key != "version"}


def template_digest(content: Values) -> str:
    """SHA-256 as hex of the content without its version."""
    return hashlib.sha256(canonical(content_without_version(content)).encode()).hexdigest()


# --- The rows of the models


def _rows_of(table: ArchiveTable, tenant: Tenant, people: dict[int, User]) -> Iterator[Values]:
    columns = {each.name: each for each in table.columns}
    keys = {name: f"{name}__{other.key}" for name, other in table.references.items()}
    many = {name: _many_of(table, name, tenant, people) for name in table.many}
    wanted = ["pk", *columns, *keys.values(), *table.people]
    for row in table.rows_of(tenant).values(*wanted).iterator(chunk_size=_CHUNK):
        values = {name: to_json(field, row[name]) for name, field in columns.items()}
        values |= {name: row[lookup] for name, lookup in keys.items()}
        values |= {
            name: people[row[name]].archived_id if row[name] else None for name in table.people
        }
        values |= {name: found.get(row["pk"], []) for name, found in many.items()}
        yield _as_of_origin(tenant, values) if table.model is Tenant else values


def _as_of_origin(tenant: Tenant, values: Values) -> Values:
    """Since the import of an open tenant, it is closed until a person starts it."""
    is_paused = tenant.checks_paused_at is not None and tenant.closed_at == tenant.checks_paused_at
    return values | {"closed_at": None} if is_paused else values


def _many_of(
    table: ArchiveTable, name: str, tenant: Tenant, people: dict[int, User]
) -> dict[int, list[str]]:
    """The sorted keys of the related rows, by primary key of the row."""
    is_people = _is_people(table, name)
    lookup = name if is_people else f"{name}__public_id"
    found: dict[int, list[str]] = {}
    for pk, key in table.rows_of(tenant).exclude(**{name: None}).values_list("pk", lookup):
        found.setdefault(pk, []).append(people[key].archived_id if is_people else key)
    return {pk: sorted(keys) for pk, keys in found.items()}


# --- The contents of files


def _contents(tenant: Tenant) -> Iterator[Values]:
    for name in STORED_FILES:
        table = TABLE_OF_NAME[name]
        stored = table.rows_of(tenant).values_list("public_id", "stored_as")
        for key, stored_as in stored.iterator(chunk_size=_CHUNK):
            yield from _parts(name, key, stored_as)


def _parts(table: str, key: str, stored_as: str) -> Iterator[Values]:
    """The bytes of one file. An empty file has one empty part."""
    try:
        with file_store.path_of(stored_as).open("rb") as file:
            part, data = 1, file.read(PART_BYTES)
            while data or part == 1:
                encoded = base64.b64encode(data).decode()
                yield {"table": table, "file": key, "part": part, "data": encoded}
                part, data = part + 1, file.read(PART_BYTES)
    except FileNotFoundError as error:
        raise ArchiveError(
            f"The content of {key} in “{table}” is missing in the storage. Restore FILES_DIR."
        ) from error
