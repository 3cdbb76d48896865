import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.public_ids


def name_rooms(apps, schema_editor):
    cutovers = apps.get_model("onboarding", "Cutover")
    for cutover in cutovers.objects.filter(public_id=None):
        cutover.public_id = tenants.public_ids.new_public_id()
        cutover.save(update_fields=["public_id"])


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0006_sheets"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="cutover",
            name="public_id",
            field=models.CharField(max_length=32, null=True, editable=False),
        ),
        migrations.RunPython(name_rooms, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="cutover",
            name="public_id",
            field=models.CharField(
                default=tenants.public_ids.new_public_id,
                editable=False,
                max_length=32,
                unique=True,
            ),
        ),
        migrations.AddField(
            model_name="cutover",
            name="length_minutes",
            field=models.PositiveIntegerField(default=240),
        ),
        migrations.AddField(
            model_name="cutover",
            name="outbound_days",
            field=models.PositiveIntegerField(default=3),
        ),
        migrations.AddField(
            model_name="cutover",
            name="confirmed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="cutover",
            name="confirmed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="cutover",
            name="accepted_risk",
            field=models.TextField(blank=True),
        ),
    ]
