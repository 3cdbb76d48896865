"""An empty database of a measurement, in a PostgreSQL cluster of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.drills.servers import HOST, own_postgresql

# The database with empty tables, which every cluster has.
EMPTY = "postgres"


@contextlib.contextmanager
def own_database() -> Iterator[None]:
    """Start PostgreSQL, create the tables, and connect Django to them until the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder,
        own_postgresql(Path(folder)) as server,
    ):
        os.environ["DATABASE_URL"] = f"postgres://postgres@{HOST}:{server.port}/postgres"
        os.environ["VAR_DIR"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        # As in production: DEBUG records every query and stores no rows of lists.
        os.environ["DEBUG"] = "off"
        os.environ.setdefault("SECRET_KEY", secrets.token_hex(32))
        if not settings.configured:
            django.setup()
        connection.settings_dict["PORT"] = str(server.port)
        _connect(EMPTY)
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connection.close()


def empty_database() -> None:
    """Connect Django to a new database of the cluster, a copy of that with the empty tables."""
    _connect("template1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database")
        name = f"bench_{cursor.fetchone()[0]}"
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {EMPTY}")
    _connect(name)
    # For processes that a part starts.
    port = connection.settings_dict["PORT"]
    os.environ["DATABASE_URL"] = f"postgres://postgres@{HOST}:{port}/{name}"


def _connect(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name
