"""Celery tasks of the portfolio."""

from __future__ import annotations

from celery import shared_task

from onboarding.portfolio import dashboard_csv
from tenants import outbox
from tenants.models import User


@shared_task(
    name="onboarding.make_dashboard_csv",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def make_dashboard_csv(user_id: int, query: str) -> None:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is not None:
        dashboard_csv.make_export(user, query)


def queue_dashboard_csv(user: User, query: str, *, total: int) -> None:
    """Queue the file, unless a worker makes it already or it is ready."""
    if dashboard_csv.begin_export(user, query, total):
        outbox.queue_task(make_dashboard_csv, user.pk, query)
