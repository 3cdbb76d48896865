"""Versions that were on record before people could publish their own came with Gangway."""

from __future__ import annotations

from django.db import migrations
from django.db.models import F


def say_so(apps, schema_editor):
    template = apps.get_model("onboarding", "PlanTemplate")
    template.objects.filter(builtin__isnull=True).update(builtin=F("version"))


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0021_template_content")]

    operations = [migrations.RunPython(say_so, migrations.RunPython.noop)]
