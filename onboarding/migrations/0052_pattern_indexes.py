"""Drop the indexes of calendar feeds that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("onboarding", "0051_revision_trigger"), ("tenants", "0017_pattern_indexes")]

    operations = [DropPatternIndexes("onboarding", ["stored_as"])]
