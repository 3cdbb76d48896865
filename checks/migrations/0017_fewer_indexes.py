"""Fewer indexes, and free space in the pages of tables that every run updates."""

import django.db.models.deletion
from django.db import migrations, models

FREE_SPACE = (("checks_check", 60), ("checks_observation", 80))


def reduce_writes(apps, schema_editor):
    """PostgreSQL alone: updates within a page, and no index for patterns of public ids."""
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        for table, percent in FREE_SPACE:
            cursor.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")  # noqa: S608
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
            " AND tablename LIKE 'checks\\_%' AND indexname LIKE '%public\\_id%\\_like'"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP INDEX "{name}"')


class Migration(migrations.Migration):
    dependencies = [
        ("checks", "0016_workers"),
        ("tenants", "0010_proposed_values"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="check",
            name="one_check_per_domain_and_kind",
        ),
        migrations.RemoveConstraint(
            model_name="check",
            name="one_check_per_host_and_kind",
        ),
        migrations.AlterField(
            model_name="check",
            name="domain",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="checks",
                to="tenants.domain",
            ),
        ),
        migrations.AlterField(
            model_name="check",
            name="host",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="checks",
                to="tenants.host",
            ),
        ),
        migrations.AlterField(
            model_name="check",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="checks",
                to="tenants.tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="check",
            constraint=models.UniqueConstraint(
                condition=models.Q(("domain__isnull", False)),
                fields=("domain", "kind", "vantage"),
                name="one_check_per_domain_and_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="check",
            constraint=models.UniqueConstraint(
                condition=models.Q(("host__isnull", False)),
                fields=("host", "kind", "vantage"),
                name="one_check_per_host_and_kind",
            ),
        ),
        migrations.RunPython(reduce_writes, migrations.RunPython.noop),
    ]
