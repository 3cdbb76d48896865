"""The start of an imported tenant: until then, none of its checks runs."""

from __future__ import annotations

from django.db import transaction

from checks.engine.outcomes import MESSAGE_KINDS
from checks.models import Check
from onboarding.errors import OnboardingError
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity

STARTED_ALREADY = "The checks of this tenant run already."
REOPEN_INSTEAD = "The implementation is not complete. Reopen the tenant to start its checks."


def start_checks(tenant: Tenant, *, by: User) -> None:
    """Start the monitoring of an imported tenant whose implementation is complete.

    An open implementation starts with `closing.reopen_tenant`. Raises OnboardingError.
    """
    if not tenant.is_paused:
        raise OnboardingError(STARTED_ALREADY)
    if tenant.completed_at is None:
        raise OnboardingError(REOPEN_INSTEAD)
    with transaction.atomic():
        paused = Tenant.objects.filter(pk=tenant.pk, checks_paused_at__isnull=False)
        if not paused.update(checks_paused_at=None):
            raise OnboardingError(STARTED_ALREADY)
        tenant.checks_paused_at = None
        resume_checks(tenant)
        write_activity(tenant, ActivityName.CHECKS_STARTED, by=by)
        tenant.plan.touch()


def resume_checks(tenant: Tenant) -> None:
    """Make the active checks of the tenant due. A check of messages waits for a message."""
    checks = Check.objects.filter(tenant=tenant, is_active=True).exclude(kind__in=MESSAGE_KINDS)
    checks.update(next_due_at=database_time.now())
