"""Celery tasks of the portfolio."""

from __future__ import annotations

from celery import shared_task

from onboarding.models import Plan
from onboarding.portfolio import list_exports, risk_updates
from onboarding.portfolio.export_formats import CSV
from onboarding.portfolio.list_exports import ExportRequest
from tenants import database_time, outbox
from tenants.models import User


@shared_task(
    name="onboarding.make_list_file",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def make_list_file(user_id: int, kind: str, query: str, ending: str) -> None:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is not None:
        list_exports.make_export(ExportRequest(user, kind, query, ending))


@shared_task(name="onboarding.make_dashboard_csv", acks_late=True, ignore_result=True)
def make_dashboard_csv(user_id: int, query: str) -> None:
    """The earlier name of a file of the dashboard, for messages that an upgrade left."""
    make_list_file(user_id, list_exports.DASHBOARD, query, CSV)


@shared_task(name="onboarding.update_risks", ignore_result=True)
def update_risks() -> None:
    """Queue one message for each tenant whose stored risks are outdated."""
    plans = risk_updates.with_outdated_risks(Plan.objects.all(), now=database_time.now())
    ids = plans.order_by("risks_valid_until").values_list("tenant_id", flat=True)
    for tenant_id in ids[: risk_updates.MOST_PER_BEAT]:
        update_risks_of.delay(tenant_id)


@shared_task(name="onboarding.update_risks_of", acks_late=True, ignore_result=True)
def update_risks_of(tenant_id: int) -> None:
    risk_updates.update([tenant_id])


def queue_list_file(wanted: ExportRequest, *, total: int) -> None:
    """Queue the file, unless a worker makes it already or it is ready."""
    if list_exports.begin_export(wanted, total):
        outbox.queue_task(make_list_file, wanted.user.pk, wanted.kind, wanted.query, wanted.ending)
