"""Drop indexes that no query needs, while others write."""

import django.db.models.deletion
from django.db import migrations, models

from tenants.migration_operations import DropPatternIndexes, RemoveForeignKeyIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("onboarding", "0048_tenant_imports"),
        ("tenants", "0014_no_duplicate_indexes"),
    ]

    operations = [
        RemoveForeignKeyIndex(
            model_name="comment",
            name="plan",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="comments",
                to="onboarding.plan",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="contact",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="contacts",
                to="tenants.tenant",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="cutoverdomain",
            name="domain",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="cutover_domains",
                to="tenants.domain",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="domainprogress",
            name="task",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="domain_progress",
                to="onboarding.task",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="drift",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="drifts",
                to="tenants.tenant",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="phase",
            name="plan",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="phases",
                to="onboarding.plan",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="sheetrow",
            name="sheet",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rows",
                to="onboarding.requirementssheet",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="task",
            name="plan",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tasks",
                to="onboarding.plan",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="cutoverdecision",
            name="cutover",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="decisions",
                to="onboarding.cutover",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="holiday",
            name="tenant",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="holidays",
                to="tenants.tenant",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="oncall",
            name="cutover",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="on_call",
                to="onboarding.cutover",
            ),
        ),
        RemoveForeignKeyIndex(
            model_name="tlspartnercheck",
            name="sheet",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="partner_checks",
                to="onboarding.requirementssheet",
            ),
        ),
        DropPatternIndexes("onboarding", ["stored_as"]),
    ]
