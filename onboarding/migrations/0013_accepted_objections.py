from django.db import migrations, models


def keep_the_clock(apps, schema_editor):
    """Until now words were only ever asked for because a window began too early."""
    cutovers = apps.get_model("onboarding", "Cutover").objects
    cutovers.exclude(accepted_risk="").update(accepted_objections=["clock"])


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0012_freezes")]

    operations = [
        migrations.AddField(
            model_name="cutover",
            name="accepted_objections",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.RunPython(keep_the_clock, migrations.RunPython.noop),
    ]
