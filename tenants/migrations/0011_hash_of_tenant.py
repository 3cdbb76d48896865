"""Hash versions of the activity log, and addresses that an erasure can delete.

On PostgreSQL the column has a constant default, so that no row is written.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tenants.append_only import switch_off, switch_on


def _allow_change(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # SQLite rebuilds the table for some changes, and a rebuilt table has no triggers.
    switch_off(schema_editor.connection)


def _refuse_change(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    switch_on(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0010_proposed_values")]

    operations = [
        migrations.RunPython(_allow_change, _refuse_change),
        migrations.AddField(
            "activityline", "version", models.PositiveSmallIntegerField(default=1, db_default=1)
        ),
        migrations.CreateModel(
            name="ErasableAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", models.CharField(max_length=254)),
                ("salt", models.CharField(max_length=64)),
                (
                    "line",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasable_address",
                        to="tenants.activityline",
                    ),
                ),
            ],
        ),
        migrations.RunPython(_refuse_change, _allow_change),
    ]
