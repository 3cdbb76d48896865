"""Celery tasks of the exports of a mail platform."""

from __future__ import annotations

from celery import shared_task

from onboarding.platform_exports.services import read_platform_export


@shared_task(
    name="onboarding.read_export",
    acks_late=True,
    ignore_result=True,
    time_limit=60,
    soft_time_limit=45,
)
def read_export(public_id: str) -> None:
    """Read a submitted export, which is untrusted input of up to 2 MB."""
    read_platform_export(public_id)
