"""The first run: decisions and the mail test. Installations with tenants are set up already."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import tenants.database_time
import tenants.public_ids


def dismiss_in_existing(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The first run is for an empty installation."""
    if apps.get_model("tenants", "Tenant").objects.exists():
        apps.get_model("tenants", "SetupDecision").objects.create(kind="dismissed")


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0024_notification_pattern_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="ended_tour",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=20
            ),
        ),
        migrations.CreateModel(
            name="MailTest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                ("requested_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("mail_settings", models.CharField(max_length=300)),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-requested_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="SetupDecision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("administrator", "First administrator"),
                            ("regions", "Region values reviewed"),
                            ("dismissed", "Setup dismissed"),
                        ],
                        max_length=20,
                        unique=True,
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=40)),
                ("decided_at", models.DateTimeField(default=tenants.database_time.known_now)),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RunPython(dismiss_in_existing, migrations.RunPython.noop),
    ]
