"""Rename the decision that ends the first run."""

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def rename_to_finished(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    decisions = apps.get_model("tenants", "SetupDecision").objects
    decisions.filter(kind="dismissed").update(kind="finished")


def rename_to_dismissed(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    decisions = apps.get_model("tenants", "SetupDecision").objects
    decisions.filter(kind="finished").update(kind="dismissed")


class Migration(migrations.Migration):
    dependencies = [("tenants", "0026_setup_pattern_indexes")]

    operations = [
        migrations.AlterField(
            model_name="setupdecision",
            name="kind",
            field=models.CharField(
                choices=[
                    ("administrator", "First administrator"),
                    ("regions", "Region values reviewed"),
                    ("finished", "Setup finished"),
                ],
                max_length=20,
                unique=True,
            ),
        ),
        migrations.RunPython(rename_to_finished, rename_to_dismissed),
    ]
