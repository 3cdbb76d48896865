"""Celery tasks of the monitoring after go-live."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from celery import shared_task

from onboarding.models import DriftNotification
from onboarding.monitoring import drifts, notifications
from tenants import database_time
from tenants.models import Tenant

logger = logging.getLogger(__name__)


@shared_task(name="onboarding.update_drifts", ignore_result=True)
def update_drifts() -> None:
    """Queue one message for each tenant whose cutover window has ended."""
    for tenant_id in drifts.tenants_after_window(now=database_time.now()):
        update_drifts_of.delay(tenant_id)


@shared_task(name="onboarding.update_drifts_of", acks_late=True, ignore_result=True)
def update_drifts_of(tenant_id: int) -> None:
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is not None:
        drifts.update_for_tenant(tenant)


@shared_task(name="onboarding.notify_drifts", ignore_result=True)
def notify_drifts() -> None:
    """Queue one message for each tenant with new changes and for each unsent notification."""
    now = database_time.now()
    for tenant_id in notifications.tenants_to_notify(now).values_list("pk", flat=True):
        notify_drifts_of.delay(tenant_id)
    for public_id in notifications.unsent(now).values_list("public_id", flat=True):
        send_drift_notification.delay(public_id)


@shared_task(name="onboarding.notify_drifts_of", acks_late=True, ignore_result=True)
def notify_drifts_of(tenant_id: int) -> None:
    """Create the tenant's notifications and queue each of them."""
    now = database_time.now()
    tenant = notifications.tenants_to_notify(now).filter(pk=tenant_id).first()
    if tenant is None:
        return
    for notification in notifications.create_notifications(tenant, now=now):
        # A message that the broker loses is queued again by the next beat.
        send_drift_notification.delay(notification.public_id)


@shared_task(name="onboarding.send_drift_notification", acks_late=True, ignore_result=True)
def send_drift_notification(public_id: str) -> None:
    rows = DriftNotification.objects.select_related("tenant", "recipient")
    notification = rows.filter(public_id=public_id).first()
    if notification is None:
        return
    try:
        notifications.send(notification, now=database_time.now())
    except (SMTPException, OSError) as error:
        # The notification stays unsent, and a later beat queues it again.
        logger.warning("the mail server rejected drift notification %s: %s", public_id, error)
