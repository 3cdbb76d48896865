"""Migrate the database in DATABASE_URL to the last state that the squashed migrations create.

Without arguments by them, with `replaced` by the migrations that they replace, with names of
migrations (app, point, name) backwards to these.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import django
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader


def migrate(names: Sequence[str]) -> None:
    executor = MigrationExecutor(connection)
    squashed = [each for each in executor.loader.disk_migrations.values() if each.replaces]
    targets = [(each.app_label, each.name) for each in squashed]
    if names:
        executor.loader = MigrationLoader(connection, replace_migrations=False)
        targets = [max(each.replaces) for each in squashed]
    if names and names[0] != "replaced":
        targets = [(app, name) for app, _, name in (each.partition(".") for each in names)]
    executor.migrate(targets)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    migrate(sys.argv[1:])
