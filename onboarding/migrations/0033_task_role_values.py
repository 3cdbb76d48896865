"""Give the tasks of the shipped template their roles, in every version, the draft and every plan."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLE_OF_KEY = {
    "request-for-information": "gathers:request-for-information",
    "domain-ownership": "verifies:ownership",
    "directory-connector": "directory",
    "ldap-connector": "directory",
    "azure-ad-sync": "directory",
    "g-suite-sync": "directory",
    "mse-agent-push": "directory",
    "manual-import": "directory",
    "forwarding-addresses": "gathers:forwarding",
    "tls-requirements": "gathers:tls-partners",
    "branding": "gathers:branding",
    "anti-spoofing-exceptions": "gathers:spoofing-exceptions",
    "global-permitted-senders": "gathers:global-senders",
    "managed-senders": "gathers:managed-senders",
    "spf-update": "verifies:spf",
    "dkim-update": "verifies:dkim",
    "mx-ttl-update": "verifies:mx-ttl",
    "data-centers-urls": "verifies:smtp",
    "inbound-delivery-routes": "gathers:delivery-routes",
    "additional-outbound-policies": "gathers:outbound-addresses",
    "outbound-cutover": "switches-outbound",
    "inbound-delivery-test": "delivery-test",
    "mx-record-cutover": "switches-inbound",
    "connection-lockdown": "lockdown",
    "case-closure": "closure",
}

Content = dict[str, Any]


def _with_roles(content: Content) -> Content:
    return _changed(
        content,
        lambda entry: (
            {**entry, "role": ROLE_OF_KEY[entry["key"]]} if entry["key"] in ROLE_OF_KEY else entry
        ),
    )


def _without_roles(content: Content) -> Content:
    return _changed(content, lambda entry: {k: v for k, v in entry.items() if k != "role"})


def _changed(content: Content, change: Any) -> Content:
    phases = [
        {**phase, "tasks": [change(entry) for entry in phase["tasks"]]}
        for phase in content["phases"]
    ]
    return {**content, "phases": phases}


def _rewrite(apps: StateApps, change: Any) -> None:
    for name in ("PlanTemplate", "TemplateDraft"):
        rows = apps.get_model("onboarding", name).objects.all()
        for pk, content in rows.values_list("pk", "content").iterator(chunk_size=20):
            # A version that was stored before versions had content is read from its file.
            if content:
                rows.filter(pk=pk).update(content=change(content))


def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _rewrite(apps, _with_roles)
    tasks = apps.get_model("onboarding", "Task").objects
    for key, role in ROLE_OF_KEY.items():
        tasks.filter(key=key).update(role=role)


def backwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _rewrite(apps, _without_roles)
    apps.get_model("onboarding", "Task").objects.exclude(role="").update(role="")


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0032_task_role")]

    operations = [migrations.RunPython(forwards, backwards)]
