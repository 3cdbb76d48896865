"""The database refuses to change or delete a line of the activity log."""

from __future__ import annotations

from django.db import migrations

from tenants.append_only import switch_off, switch_on


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.RunPython(
            lambda apps, schema_editor: switch_on(schema_editor.connection),
            lambda apps, schema_editor: switch_off(schema_editor.connection),
        )
    ]
