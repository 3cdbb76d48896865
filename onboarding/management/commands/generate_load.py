"""Fill an empty database with many tenants and a year of history, for measurements."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from checks.models import Check, Observation
from onboarding.management.load.copies import copy_tenants
from onboarding.management.load.sources import SOURCES, create_source
from onboarding.models import Task
from onboarding.plan_templates.registry import register_builtin_templates
from tenants.models import Tenant, User


class Command(BaseCommand):
    """`generate_load --tenants 5000 [--domains 2] [--months 12]`.

    Refuses a database with tenants. Creates a consultant and a manager without passwords.
    """

    help = "Fill an empty database with many tenants and a year of history, for measurements."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenants", type=int, default=5000)
        parser.add_argument("--domains", type=int, default=2, help="of each tenant")
        parser.add_argument("--months", type=int, default=12, help="of history, with a change each")

    def handle(self, *args: Any, **options: Any) -> None:
        if Tenant.objects.exists():
            raise CommandError("This database has tenants. Use an empty one.")
        if min(options["tenants"], options["domains"], options["months"]) < 1:
            raise CommandError("The numbers must be at least 1.")
        began = time.monotonic()
        generate(options["tenants"], domains=options["domains"], months=options["months"])
        self.stdout.write(
            f"{Tenant.objects.count()} tenants, {Task.objects.count()} tasks,"
            f" {Check.objects.count()} checks, {Observation.objects.count()} observations"
            f" in {time.monotonic() - began:.0f} s."
        )


def generate(tenants: int, *, domains: int, months: int) -> None:
    """Create the tenants. The database must have none."""
    register_builtin_templates()
    with transaction.atomic():
        consultant = User.objects.create_user(
            "consultant@load.example", None, name="Consultant", staff_role="consultant"
        )
        User.objects.create_user("manager@load.example", None, name="Manager", staff_role="manager")
        sources = [
            create_source(number, domains=domains, months=months, by=consultant)
            for number in range(min(tenants, len(SOURCES)))
        ]
    copy_tenants(sources, total=tenants)
