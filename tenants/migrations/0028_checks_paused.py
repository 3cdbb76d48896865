from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0027_setup_finished")]

    operations = [migrations.RenameField("tenant", "checks_held_at", "checks_paused_at")]
