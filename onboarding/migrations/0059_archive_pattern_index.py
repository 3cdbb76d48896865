"""Drop the index of archive imports that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("onboarding", "0058_tenant_archives")]

    operations = [DropPatternIndexes("onboarding", ["stored_as"])]
