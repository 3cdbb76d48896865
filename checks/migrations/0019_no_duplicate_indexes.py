"""Drop indexes that no query needs, while others write."""

import django.db.models.deletion
from django.db import migrations, models

from tenants.migration_operations import DropPatternIndexes, RemoveForeignKeyIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("checks", "0018_lists_of_faults"),
        ("tenants", "0014_no_duplicate_indexes"),
    ]

    operations = [
        RemoveForeignKeyIndex(
            model_name="observation",
            name="check_asked",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="observations",
                to="checks.check",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="rawanswers",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="raw_answers",
                to="tenants.tenant",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="submittedmessage",
            name="check_asked",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="checks.check",
            ),
        ),
        DropPatternIndexes("checks"),
    ]
