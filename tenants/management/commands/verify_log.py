"""Check that no line of an activity log was altered or removed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.activity import verify_logs
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Check every activity log from its first line to its last. Store the printed heads "
        "elsewhere: an attacker who can rewrite the whole database cannot rewrite those."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        names = dict(Tenant.objects.values_list("public_id", "name"))
        faults = 0
        for report in verify_logs():
            name = names.get(report.scope, report.scope)
            if report.fault:
                faults += 1
                self.stderr.write(f"{name}: {report.fault}.")
            else:
                self.stdout.write(f"{name}: {report.length} lines, head {report.head}")
        if faults:
            raise CommandError("An activity log was altered.")
