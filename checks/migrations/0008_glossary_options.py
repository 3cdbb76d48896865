"""Give renamed fields and models their options."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checks", "0007_rename_to_glossary"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="submittedmessage",
            options={"ordering": ["-submitted_at", "-pk"]},
        ),
        migrations.AlterField(
            model_name="check",
            name="interval",
            field=models.CharField(
                choices=[
                    ("cutover", "cutover"),
                    ("requested", "requested"),
                    ("settling", "settling"),
                    ("unsettled", "unsettled"),
                    ("reopening", "reopening"),
                    ("idle", "idle"),
                    ("deferred", "deferred"),
                ],
                default="unsettled",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="observation",
            name="trigger",
            field=models.CharField(
                choices=[("run", "Run"), ("rules", "New rules")], default="run", max_length=10
            ),
        ),
    ]
