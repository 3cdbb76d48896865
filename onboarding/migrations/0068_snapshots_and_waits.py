"""Rename the time and the user of a snapshot, and the residual risk of a timed task."""

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def rename_to_wait(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    risks = apps.get_model("onboarding", "AcceptedResidualRisk").objects
    for risk in risks.filter(kind="waiting-period"):
        risk.kind = "wait"
        risk.sentence = risk.sentence.replace("The waiting period of", "The wait of", 1)
        risk.save(update_fields=["kind", "sentence"])


def rename_to_waiting_period(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    risks = apps.get_model("onboarding", "AcceptedResidualRisk").objects
    for risk in risks.filter(kind="wait"):
        risk.kind = "waiting-period"
        risk.sentence = risk.sentence.replace("The wait of", "The waiting period of", 1)
        risk.save(update_fields=["kind", "sentence"])


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0067_task_completed_by")]

    operations = [
        migrations.RenameField("cutoversnapshot", "taken_at", "saved_at"),
        migrations.RenameField("cutoversnapshot", "taken_by", "saved_by"),
        migrations.AlterModelOptions(
            name="cutoversnapshot", options={"ordering": ["-saved_at", "-pk"]}
        ),
        migrations.AlterField(
            model_name="acceptedresidualrisk",
            name="kind",
            field=models.CharField(
                choices=[
                    ("last-cache", "Old MX records in caches"),
                    ("safe-lockdown", "Safe time of the lockdown"),
                    ("lockdown", "Lockdown not verified"),
                    ("mx-ttl", "MX TTL not raised again"),
                    ("wait", "Wait not over"),
                    ("contradiction", "Received message contradicts a task"),
                ],
                max_length=20,
            ),
        ),
        migrations.RunPython(rename_to_wait, rename_to_waiting_period),
    ]
