from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0068_snapshots_and_waits"),
    ]

    operations = [
        migrations.AlterField(
            model_name="task",
            name="manual_status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "None"),
                    ("in_progress", "In progress"),
                    ("waiting", "Waiting on the other side"),
                    ("blocked", "Blocked"),
                    ("declined", "Declined"),
                    ("accepted_risk", "Accepted risk"),
                    ("not_needed", "Not applicable"),
                ],
                default="",
                max_length=20,
            ),
        ),
    ]
