"""Notify the stream process of each new revision of a plan."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from onboarding.plans import revision_trigger


def switch_on(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    revision_trigger.switch_on(schema_editor.connection)


def switch_off(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    revision_trigger.switch_off(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0050_calendar_feeds")]

    operations = [migrations.RunPython(switch_on, switch_off)]
