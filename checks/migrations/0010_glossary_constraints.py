"""Add the constraints and indexes under their new names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checks", "0009_glossary_values"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="submittedmessage",
            index=models.Index(fields=["check_asked", "-submitted_at"], name="message_timeline"),
        ),
        migrations.AddConstraint(
            model_name="probeslot",
            constraint=models.UniqueConstraint(
                fields=("address", "port"), name="one_slot_per_address"
            ),
        ),
        migrations.AddConstraint(
            model_name="rawanswers",
            constraint=models.UniqueConstraint(
                fields=("tenant", "digest"), name="unique_raw_answers"
            ),
        ),
    ]
