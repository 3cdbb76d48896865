"""TODO docstring."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from onboarding.cutovers import snapshots, windows
from onboarding.plans.tasks import logger  # NEW


@shared_task(name="onboarding.open_cutover_windows", ignore_result=True)
def monitor_open_windows() -> None:
    """Each minute: a cutover's window that has opened is watched every few seconds, once what is
    published has been kept for the way back."""
    now = timezone.now()
    for cutover in windows.open_windows(now=now):
        snapshots.take_at_opening(cutover)
    begun = windows.tighten_intervals(now=now)
    if begun:
        logger.info("watching %d checks closely", begun)
