"""Drop the indexes of webhooks and API tokens that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenants", "0016_api_tokens")]

    operations = [DropPatternIndexes("tenants")]
