"""Drop the index of saved views that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("onboarding", "0061_saved_views")]

    operations = [DropPatternIndexes("onboarding", ["public_id"])]
