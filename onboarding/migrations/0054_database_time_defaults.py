"""The defaults of times come from the clock of the database. No table changes."""

from django.db import migrations, models

import tenants.database_time


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0053_plan_risks"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="acceptedresidualrisk",
                    name="accepted_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="calendarfeed",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="closingpack",
                    name="requested_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="comment",
                    name="written_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="changed_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="cutoversnapshot",
                    name="taken_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="cutovervote",
                    name="voted_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="drift",
                    name="opened_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="driftnotification",
                    name="created_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="dryrun",
                    name="saved_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="evidencefile",
                    name="uploaded_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="plan",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="plantemplate",
                    name="loaded_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="reminder",
                    name="requested_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="sharelink",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="sheetimport",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="sheetimport",
                    name="progress_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="sheetrow",
                    name="changed_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="task",
                    name="status_changed_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="templatedraft",
                    name="changed_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="templatedraft",
                    name="created_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="tenantexport",
                    name="requested_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="tenantimport",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="tenantimport",
                    name="progress_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
            ]
        ),
    ]
