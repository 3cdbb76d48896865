"""Register the plan templates, and check the file of regions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from checks.expectations import sync_checks
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plan_templates.template_version import TemplateError
from tenants.errors import TenantError
from tenants.models import Tenant
from tenants.regions import load_region_file


class Command(BaseCommand):
    help = "Load the plan templates and check the regions. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            templates = register_builtin_templates()
            book = load_region_file()
            for tenant in Tenant.objects.filter(plan__isnull=False, closed_at__isnull=True):
                sync_checks(tenant)
        except (TemplateError, TenantError) as error:
            raise CommandError(str(error)) from error
        versions = ", ".join(str(template.version) for template in templates)
        self.stdout.write(
            f"Plan template version {versions}; {len(book.regions)} regions as of {book.compiled}."
        )
