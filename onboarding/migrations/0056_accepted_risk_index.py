from __future__ import annotations

from django.db import migrations, models

from tenants.migration_operations import AddIndexWithoutLock


class Migration(migrations.Migration):
    # The index of a big table is created while others write.
    atomic = False

    dependencies = [
        ("onboarding", "0055_plan_figures"),
    ]

    operations = [
        AddIndexWithoutLock(
            model_name="task",
            index=models.Index(
                condition=models.Q(("status", "accepted_risk")),
                fields=["accepted_until"],
                name="task_accepted_risk",
            ),
        ),
    ]
