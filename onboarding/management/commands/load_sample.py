"""Make the sample people and tenants of a local installation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from checks.lab.addresses import LabEndpoints
from onboarding.management.sample import load_sample


class Command(BaseCommand):
    help = "Make the sample people and tenants. Only where the lab is on, and only once."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LAB:
            raise CommandError("Sample people exist only where the lab is on, as in make run.")
        endpoints = settings.LAB_PLACES or LabEndpoints()
        made = load_sample(smtp_port=endpoints.smtp_port, ldaps_port=endpoints.ldaps_port)
        self.stdout.write("Sample people and tenants made." if made else "People exist already.")
