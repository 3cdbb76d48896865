"""Drop the indexes of notifications that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenants", "0023_notifications")]

    operations = [DropPatternIndexes("tenants")]
