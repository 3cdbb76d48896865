"""Several erasable values of one line of the audit log, and the owner of a name."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0028_checks_paused")]

    operations = [
        migrations.AlterField(
            model_name="erasableaddress",
            name="line",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="erasable_addresses",
                to="tenants.activityline",
            ),
        ),
        migrations.AddField(
            model_name="erasableaddress",
            name="owner",
            field=models.CharField(blank=True, db_default="", max_length=254),
        ),
    ]
