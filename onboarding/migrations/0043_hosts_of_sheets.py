"""Add the delivery hosts that only sheets have to the table of hosts, as proposals without consent.

The rows of the sheets do not change, signed or not. A host that a consultant removed or rejected
after the row was written is not added again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_QUESTIONS = ("inbound-hosts", "delivery-hosts")
_FIXED_KINDS = ("request-for-information", "setup-checklist")
# A host name with at least two labels or an IPv4 address, with or without a port.
_HOST = re.compile(
    r"((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{1,63})\.?(?::(\d{1,5}))?"
)
_DECISION = ("consented_at", "consented_by", "confirmed_at", "confirmed_by", "removed_at")


def _hosts_of(row: Any) -> Iterator[tuple[str, int]]:
    """The hosts of a row. An answer in prose names none, nor does one that Gangway prefilled."""
    if row.sheet.kind == "delivery-routes":
        yield row.values["host"], int(row.values["port"])
    elif row.key in _QUESTIONS and not row.source:
        parts = [part for part in re.split(r"[,;\s]+", row.values["answer"].lower()) if part]
        found = [_HOST.fullmatch(part) for part in parts]
        ports = [int(match[2] or 25) for match in found if match]
        if len(ports) == len(parts) and all(1 <= port <= 65535 for port in ports):
            for match, port in zip(found, ports, strict=True):
                assert match is not None
                yield match[1], port


def add_hosts(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    hosts = apps.get_model("tenants", "Host")._base_manager
    rows = apps.get_model("onboarding", "SheetRow").objects.select_related(
        "sheet__task__plan", "changed_by"
    )
    wanted = rows.filter(
        sheet__kind__in=("delivery-routes", *_FIXED_KINDS),
        sheet__task__plan__tenant__closed_at__isnull=True,
    )
    # The newest row first: its author proposes the host.
    for row in wanted.order_by("-changed_at", "-pk").iterator(chunk_size=1000):
        for name, port in _hosts_of(row):
            tenant_id = row.sheet.task.plan.tenant_id
            same = {"tenant_id": tenant_id, "purpose": "delivery", "name": name, "port": port}
            proposal = {"proposed_at": row.changed_at, "proposed_by_id": row.changed_by_id}
            stored = hosts.filter(**same).first()
            if stored is None:
                _create(hosts, {**same, **proposal})
            elif stored.removed_at is not None and stored.removed_at < row.changed_at:
                void = dict.fromkeys(_DECISION)
                hosts.filter(pk=stored.pk).update(**void, **proposal, rejection_reason="")


def _create(hosts: Any, values: dict[str, Any]) -> None:
    if len(values["name"]) <= 253:
        hosts.create(**values)


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0042_signed_hosts"),
        ("tenants", "0010_proposed_values"),
    ]

    # In reverse, the hosts stay: they may have evidence by then.
    operations = [migrations.RunPython(add_hosts, migrations.RunPython.noop)]
