"""The defaults of times come from the clock of the database. No table changes."""

from django.db import migrations, models

import tenants.database_time


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0017_pattern_indexes"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="apitoken",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="domain",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="host",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="idempotentrequest",
                    name="created_at",
                    field=models.DateTimeField(
                        db_index=True, default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="invitation",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="tenant",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="user",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
                migrations.AlterField(
                    model_name="webhook",
                    name="created_at",
                    field=models.DateTimeField(
                        default=tenants.database_time.known_now, editable=False
                    ),
                ),
            ]
        ),
    ]
