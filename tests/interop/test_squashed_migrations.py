"""A squashed migration creates the tables of the migrations that it replaces."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from config.settings import BASE_DIR
from tests.drills.servers import HOST, own_postgresql

pytestmark = pytest.mark.nightly

# Django derives these names from the names of tables and columns, which changed since.
NAME = re.compile(r'(?<=INDEX )"?[^ "]+"?(?= ON)')
PARTS = {
    "columns": (
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,"
        " column_default, identity_generation FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    ),
    "constraints": (
        "SELECT conrelid::regclass::text, contype, pg_get_constraintdef(oid), convalidated"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    ),
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": (
        "SELECT proname, prosrc FROM pg_proc JOIN pg_language ON pg_language.oid = prolang"
        " WHERE pronamespace = 'public'::regnamespace AND lanname = 'plpgsql'"
    ),
    "storage": (
        "SELECT relname, reloptions FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL"
    ),
}
Schema = dict[str, list[str]]


def _migrate(address: str, folder: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.interop.replaced_migrations", *arguments],
        cwd=BASE_DIR,
        env=os.environ | {"DATABASE_URL": address, "VAR_DIR": str(folder)},
        check=True,
    )


def _of_postgresql(port: int, name: str) -> Schema:
    connection = psycopg2.connect(host=HOST, port=port, user="postgres", dbname=name)
    found = {}
    with connection.cursor() as cursor:
        for part, query in PARTS.items():
            cursor.execute(query)
            found[part] = sorted(NAME.sub("", str(row)) for row in cursor.fetchall())
    connection.close()
    return found


def _split(text: str) -> Iterator[str]:
    """The parts of a list between commas outside of parentheses and quotes."""
    depth, quote, part = 0, "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth and not quote:
            yield part
            part = ""
        else:
            part += character
    yield part


def _of_sqlite(file: Path) -> Schema:
    """Tables by name, and the statements of indexes and triggers. The columns are sorted."""
    found: Schema = {"index": [], "trigger": []}
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL")
        for kind, name, sql in rows:
            text = NAME.sub("", " ".join(sql.split()))
            if kind == "table":
                body = text[text.index("(") + 1 : text.rindex(")")]
                found[name] = sorted(part.strip() for part in _split(body))
            elif kind == "trigger":
                found[kind] += sorted(re.split(r" AND |WHEN NOT \(|\) BEGIN", text))
            else:
                found[kind].append(text)
    return {name: sorted(parts) for name, parts in found.items()}


def test_squashed_migrations_create_the_same_tables_on_sqlite(tmp_path: Path) -> None:
    squashed, replaced = tmp_path / "squashed.sqlite3", tmp_path / "replaced.sqlite3"
    _migrate(f"sqlite:///{squashed}", tmp_path)
    _migrate(f"sqlite:///{replaced}", tmp_path, "replaced")

    found = _of_sqlite(squashed)

    assert len(found) > 80
    assert found == _of_sqlite(replaced)


def test_squashed_migrations_create_the_same_tables_on_postgresql(tmp_path: Path) -> None:
    with own_postgresql(tmp_path) as server:
        address = f"postgres://postgres@{HOST}:{server.port}/"
        connection = psycopg2.connect(address + "postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE replaced")
        connection.close()
        _migrate(address + "postgres", tmp_path)
        _migrate(address + "replaced", tmp_path, "replaced")

        found = _of_postgresql(server.port, "postgres")

        assert all(found.values())
        assert found == _of_postgresql(server.port, "replaced")
