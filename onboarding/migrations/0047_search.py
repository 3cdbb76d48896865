"""Index the searched texts, while others write."""

from django.db import migrations

from tenants.migration_operations import AddTrigramIndexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("onboarding", "0046_lists_of_faults")]

    operations = [
        AddTrigramIndexes(
            {
                "onboarding_task": ["title"],
                "onboarding_comment": ["body"],
                "onboarding_contact": ["name", "email", "phone"],
                "onboarding_evidencefile": ["name"],
            }
        ),
    ]
