from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0036_accepted_residual_risks"),
    ]

    operations = [
        migrations.AddField(
            model_name="cutover",
            name="planning_reason",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="cutover",
            name="planning_cautions",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="task",
            name="safe_from",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
