"""Add the constraints and indexes under their new names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0008_glossary_options"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("completed_at__isnull", True), ("closed_at__isnull", False), _connector="OR"
                ),
                name="completed_is_closed",
            ),
        ),
    ]
