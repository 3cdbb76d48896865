"""Drop the indexes of provisioning that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenants", "0021_provider_grants")]

    operations = [DropPatternIndexes("tenants")]
