"""Put the plan template on record and read the regions once, so that a bad file shows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from checks.subjects import keep_checks
from onboarding.blueprints.blueprint import BlueprintError
from onboarding.blueprints.on_record import put_templates_on_record
from tenants.errors import TenantError
from tenants.models import Tenant
from tenants.regions import load_book


class Command(BaseCommand):
    help = "Load the plan templates and check the regions. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            templates = put_templates_on_record()
            book = load_book()
            for tenant in Tenant.objects.filter(plan__isnull=False, archived_at__isnull=True):
                keep_checks(tenant)
        except (BlueprintError, TenantError) as error:
            raise CommandError(str(error)) from error
        versions = ", ".join(str(template.version) for template in templates)
        self.stdout.write(
            f"Plan template version {versions}; {len(book.regions)} regions as of {book.compiled}."
        )
