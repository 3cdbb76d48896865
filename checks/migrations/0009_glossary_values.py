"""Rename stored values to the terms of the glossary."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

INTERVALS = {
    "close": "cutover",
    "hurried": "requested",
    "confirming": "settling",
    # Two former intervals with one length and one meaning. Backwards, the first of them is restored.
    "watched": "unsettled",
    "attended": "unsettled",
    "doubting": "reopening",
    "quiet": "idle",
    "turn": "deferred",
}
TRIGGERS = {"look": "run"}


def _rename(apps: StateApps, *, backwards: bool) -> None:
    for model, field, values in (
        ("Check", "interval", INTERVALS),
        ("Observation", "trigger", TRIGGERS),
    ):
        rows = apps.get_model("checks", model).objects
        for old, new in values.items():
            before, after = (new, old) if backwards else (old, new)
            rows.filter(**{field: before}).update(**{field: after})


def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _rename(apps, backwards=False)


def backwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _rename(apps, backwards=True)


class Migration(migrations.Migration):
    dependencies = [("checks", "0008_glossary_options")]

    operations = [migrations.RunPython(forwards, backwards)]
