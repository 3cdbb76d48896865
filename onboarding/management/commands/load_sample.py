"""Make the sample people and tenants of a local installation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from checks.lab.places import Places
from onboarding.sample import load_sample


class Command(BaseCommand):
    help = "Make the sample people and tenants. Only where the lab is on, and only once."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LAB:
            raise CommandError("Sample people exist only where the lab is on, as in make run.")
        places = settings.LAB_PLACES or Places()
        made = load_sample(smtp_port=places.smtp_port, ldaps_port=places.ldaps_port)
        self.stdout.write("Sample people and tenants made." if made else "People exist already.")
