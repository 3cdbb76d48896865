"""Celery's doors to the plans."""

from __future__ import annotations

from celery import shared_task

from onboarding import judging
from onboarding.models import Plan


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Judge every plan again, so that a lost reaction costs a day at most."""
    open_plans = Plan.objects.filter(tenant__archived_at__isnull=True)
    for plan in open_plans.select_related("tenant").iterator():
        judging.reassess(plan)
