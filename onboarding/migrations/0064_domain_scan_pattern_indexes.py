"""Drop the index of domain scans that only `startswith` would use."""

from django.db import migrations

from tenants.migration_operations import DropPatternIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("onboarding", "0063_domain_scan")]

    operations = [DropPatternIndexes("onboarding")]
