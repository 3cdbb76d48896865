"""Celery's doors to the plans."""

from __future__ import annotations

from celery import shared_task

from onboarding import judging
from onboarding.models import Plan


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Judge every plan again, so that a lost reaction costs a day at most."""
    for plan in Plan.objects.select_related("tenant").iterator():
        judging.reassess(plan)
