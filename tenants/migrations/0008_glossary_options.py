"""Give renamed fields and models their options."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0007_rename_to_glossary"),
    ]

    operations = [
        migrations.AlterField(
            model_name="tenant",
            name="consultant",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="led_tenants",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
