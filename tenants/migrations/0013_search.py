"""Index the searched texts, while others write."""

from django.db import migrations

from tenants.migration_operations import AddTrigramIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenants", "0012_outbox")]

    operations = [
        AddTrigramIndexes(
            {
                "tenants_tenant": ["name"],
                "tenants_domain": ["name"],
                "tenants_host": ["name"],
                "tenants_user": ["name", "email"],
            }
        ),
    ]
