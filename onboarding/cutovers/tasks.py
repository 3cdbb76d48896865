"""Celery tasks of the cutovers."""

from __future__ import annotations

import logging

from celery import shared_task

from onboarding.cutovers import snapshots, windows
from tenants import database_time

logger = logging.getLogger(__name__)


@shared_task(name="onboarding.open_cutover_windows", ignore_result=True)
def open_cutover_windows() -> None:
    """Queue one message for each cutover whose window is open."""
    for cutover in windows.open_windows(now=database_time.now()):
        open_cutover_window.delay(cutover.pk)


@shared_task(name="onboarding.open_cutover_window", acks_late=True, ignore_result=True)
def open_cutover_window(cutover_id: int) -> None:
    """Store the published records for a rollback, and shorten the intervals of the checks."""
    cutover = windows.open_window(cutover_id, now=database_time.now())
    if cutover is None:
        return
    try:
        snapshots.save_at_opening(cutover)
    finally:
        # A snapshot that fails must not stop the close checks: the next beat repeats both.
        begun = windows.tighten_intervals(cutover)
    if begun:
        logger.info("cutover %s: running %d checks at short intervals", cutover.public_id, begun)
