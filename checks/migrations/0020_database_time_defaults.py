"""The defaults of times come from the clock of the database. No table changes."""

from django.db import migrations, models

import tenants.database_time


class Migration(migrations.Migration):
    dependencies = [
        ("checks", "0019_no_duplicate_indexes"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="check",
                    name="next_due_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="discovery",
                    name="requested_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
                migrations.AlterField(
                    model_name="submittedmessage",
                    name="submitted_at",
                    field=models.DateTimeField(default=tenants.database_time.known_now),
                ),
            ]
        ),
    ]
