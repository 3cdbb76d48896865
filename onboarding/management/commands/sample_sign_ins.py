"""Print the sample sign-ins that exist in this installation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from onboarding.management.sample import CLIENT, CONSULTANT, MANAGER, PASSWORD
from tenants.models import User

ROLES = {"consultant": CONSULTANT, "client": CLIENT, "manager": MANAGER}


class Command(BaseCommand):
    help = "Print the sample sign-ins of make run."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LAB:
            raise CommandError("Sample people need the lab, as in make run.")
        existing = set(User.objects.values_list("email", flat=True))
        for role, (email, name) in ROLES.items():
            if email in existing:
                self.stdout.write(f"  {role:<11} {email:<26} {PASSWORD}   ({name})")
