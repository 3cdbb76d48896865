"""Rename fields to the terms of the glossary. The activity log keeps its rows and its triggers."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tenants.append_only import switch_off, switch_on


def _allow_change(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # SQLite rebuilds the table for some changes, and a rebuilt table has no triggers.
    switch_off(schema_editor.connection)


def _refuse_change(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    switch_on(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0006_subjects_taken_out")]

    operations = [
        migrations.RunPython(_allow_change, _refuse_change),
        migrations.RemoveConstraint("tenant", "completed_is_closed"),
        migrations.RenameField("activityline", "act", "action"),
        migrations.RenameField("domain", "ttl_before", "original_mx_ttl_seconds"),
        migrations.RenameField("tenant", "archived_at", "closed_at"),
        migrations.RenameField("user", "session_round", "session_version"),
        migrations.RenameField("user", "watches", "followed_consultants"),
        migrations.RunPython(_refuse_change, _allow_change),
    ]
