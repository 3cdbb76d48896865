"""Create the sample people and tenants of a local installation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from checks.lab.addresses import LabEndpoints
from onboarding.management.sample import load_sample


class Command(BaseCommand):
    help = "Create the sample people and tenants, once. Needs the lab."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LAB:
            raise CommandError("Sample people need the lab, as in make run.")
        endpoints = settings.LAB_PLACES or LabEndpoints()
        made = load_sample(smtp_port=endpoints.smtp_port, ldaps_port=endpoints.ldaps_port)
        self.stdout.write("Created sample people and tenants." if made else "People exist already.")
