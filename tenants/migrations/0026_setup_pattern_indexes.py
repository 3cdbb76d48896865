"""Drop the indexes of the first run that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenants", "0025_installation_setup")]

    operations = [DropPatternIndexes("tenants")]
