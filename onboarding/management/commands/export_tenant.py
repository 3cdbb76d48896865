"""Write the archive of a tenant, for another installation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onboarding.errors import OnboardingError
from onboarding.lifecycle.archive.exporting import export_to
from tenants.models import Tenant, User


class Command(BaseCommand):
    help = (
        "Write the JSON archive of a tenant to a new file and print its SHA-256. The archive "
        "contains internal notes, addresses and files: store it like a backup."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("tenant", help="the id of the tenant in its addresses")
        parser.add_argument("file", type=Path, help="the file to create; it must not exist")
        parser.add_argument("--by", required=True, help="the e-mail address of an administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(public_id=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']}.")
        try:
            sha256 = export_to(options["file"], tenant, by=administrator(options["by"]))
        except (OnboardingError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{sha256}  {options['file']}")


def administrator(email: str) -> User:
    """The active administrator with this address. Raises CommandError."""
    found = User.objects.filter(
        email=email.lower(), staff_role=User.StaffRole.ADMINISTRATOR, is_active=True
    ).first()
    if found is None:
        raise CommandError(f"There is no active administrator {email}.")
    return found
