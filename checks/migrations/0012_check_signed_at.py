"""Store the signed time of the newest message that passed."""

from __future__ import annotations

import datetime

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    observations = apps.get_model("checks", "Observation").objects
    for check in apps.get_model("checks", "Check").objects.filter(kind="message").iterator():
        passed = observations.filter(check_asked=check, verdict__in=("pass", "warn"))
        newest = passed.order_by("-last_seen_at").first()
        sent_at = newest.evidence.get("message", {}).get("sent_at", "") if newest else ""
        if sent_at:
            check.signed_at = datetime.datetime.fromisoformat(sent_at)
            check.save(update_fields=["signed_at"])


class Migration(migrations.Migration):
    dependencies = (("checks", "0011_status_labels"),)

    operations = (
        migrations.AddField("check", "signed_at", models.DateTimeField(blank=True, null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    )
