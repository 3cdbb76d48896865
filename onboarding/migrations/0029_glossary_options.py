"""Give renamed fields and models their options."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0028_rename_to_glossary"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="contact",
            options={"ordering": ["role", "name", "pk"]},
        ),
        migrations.AlterModelOptions(
            name="driftnotification",
            options={"ordering": ["created_at", "pk"]},
        ),
        migrations.AlterModelOptions(
            name="dryrun",
            options={"ordering": ["-saved_at", "-pk"]},
        ),
        migrations.AlterModelOptions(
            name="reminder",
            options={"ordering": ["-requested_at", "-pk"]},
        ),
        migrations.AlterModelOptions(
            name="sheetimport",
            options={"ordering": ["-created_at"]},
        ),
        migrations.AlterModelOptions(
            name="waitingperiod",
            options={"ordering": ["started_at", "pk"]},
        ),
        migrations.AlterField(
            model_name="cutoverdecision",
            name="cutover",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="decisions",
                to="onboarding.cutover",
            ),
        ),
        migrations.AlterField(
            model_name="cutoverdomain",
            name="cutover",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="cutover_domains",
                to="onboarding.cutover",
            ),
        ),
        migrations.AlterField(
            model_name="cutoverdomain",
            name="domain",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="cutover_domains",
                to="tenants.domain",
            ),
        ),
        migrations.AlterField(
            model_name="cutoversnapshot",
            name="reason",
            field=models.CharField(
                choices=[("opened", "The window opened"), ("requested", "Requested by a person")],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="domainprogress",
            name="domain",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="task_progress",
                to="tenants.domain",
            ),
        ),
        migrations.AlterField(
            model_name="domainprogress",
            name="task",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="domain_progress",
                to="onboarding.task",
            ),
        ),
        migrations.AlterField(
            model_name="drift",
            name="resolution",
            field=models.CharField(
                blank=True,
                choices=[
                    ("resolved", "Right again"),
                    ("applied", "Taken over by hand"),
                    ("unmonitored", "No longer watched"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="driftnotification",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="drift_notifications",
                to="tenants.tenant",
            ),
        ),
        migrations.AlterField(
            model_name="dryrun",
            name="cutover",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="dry_runs",
                to="onboarding.cutover",
            ),
        ),
        migrations.AlterField(
            model_name="monitoring",
            name="tenant",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="monitoring",
                to="tenants.tenant",
            ),
        ),
        migrations.AlterField(
            model_name="sharelink",
            name="created_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="share_links_created",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="sharelink",
            name="domain",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="share_links",
                to="tenants.domain",
            ),
        ),
        migrations.AlterField(
            model_name="sharelink",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="share_links",
                to="onboarding.plan",
            ),
        ),
        migrations.AlterField(
            model_name="sharelink",
            name="task",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="share_links",
                to="onboarding.task",
            ),
        ),
        migrations.AlterField(
            model_name="sheetimport",
            name="status",
            field=models.CharField(
                choices=[
                    ("reading", "Being read"),
                    ("ready", "Read, and nothing changed yet"),
                    ("importing", "Being imported"),
                    ("done", "Imported"),
                    ("failed", "Could not be read"),
                ],
                default="reading",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="task",
            name="manual_status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "None"),
                    ("in_progress", "In progress"),
                    ("waiting", "Waiting for the other side"),
                    ("blocked", "Blocked"),
                    ("declined", "Declined"),
                    ("accepted_risk", "Accepted as it is"),
                    ("not_needed", "Not needed"),
                ],
                default="",
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="task",
            name="status",
            field=models.CharField(
                choices=[
                    ("todo", "To do"),
                    ("in_progress", "In progress"),
                    ("waiting", "Waiting for the other side"),
                    ("blocked", "Blocked"),
                    ("partly_confirmed", "One side has confirmed"),
                    ("awaiting_verification", "Said to be done, not proven yet"),
                    ("regressed", "Was proven, no longer holds"),
                    ("done", "Done"),
                    ("verified", "Proven"),
                    ("accepted_risk", "Accepted as it is"),
                    ("declined", "Declined"),
                    ("not_applicable", "Not applicable"),
                ],
                default="todo",
                max_length=24,
            ),
        ),
        migrations.AlterField(
            model_name="waitingperiod",
            name="task",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="waiting_periods",
                to="onboarding.task",
            ),
        ),
    ]
