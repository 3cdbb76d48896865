"""Drop indexes that no query needs, while others write."""

import django.db.models.deletion
from django.db import migrations, models

from tenants.migration_operations import DropPatternIndexes, RemoveForeignKeyIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tenants", "0013_search"),
    ]

    operations = [
        RemoveForeignKeyIndex(
            model_name="activityline",
            name="tenant",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="activity",
                to="tenants.tenant",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="domain",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="domains",
                to="tenants.tenant",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="host",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="hosts",
                to="tenants.tenant",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="membership",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memberships",
                to="tenants.tenant",
            ),
        ),
        DropPatternIndexes("tenants"),
    ]
