"""Notifications of each person, and the report of their changes to the stream process."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import tenants.database_time
import tenants.public_ids
from tenants import notification_trigger


def switch_on(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    notification_trigger.switch_on(schema_editor.connection)


def switch_off(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    notification_trigger.switch_off(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0022_scim_pattern_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notification",
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
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("mention", "Mention"),
                            ("question", "Question"),
                            ("answer", "Answer"),
                            ("vote", "Vote"),
                            ("decision", "Decision"),
                            ("reminder", "Waiting tasks"),
                            ("regressed", "Regressed proof"),
                            ("drift", "Drift"),
                        ],
                        max_length=10,
                    ),
                ),
                ("params", models.JSONField(default=dict)),
                ("source", models.CharField(max_length=120)),
                ("is_internal", models.BooleanField(default=False)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("email_id", models.CharField(blank=True, max_length=32)),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "indexes": [
                    models.Index(
                        fields=["recipient", "-created_at"], name="notification_of_person"
                    ),
                    models.Index(
                        condition=models.Q(("read_at", None)),
                        fields=["recipient"],
                        name="notification_unread",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("recipient", "source"), name="one_notification_per_source"
                    )
                ],
            },
        ),
        migrations.RunPython(switch_on, switch_off),
    ]
