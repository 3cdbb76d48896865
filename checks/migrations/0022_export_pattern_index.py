"""Drop the index of exports that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("checks", "0021_submitted_exports")]

    operations = [DropPatternIndexes("checks")]
