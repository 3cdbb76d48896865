"""TODO docstring."""

from __future__ import annotations

from smtplib import SMTPException

from celery import shared_task
from django.utils import timezone

from onboarding.models import (
    DriftNotification,
)
from onboarding.monitoring import notifications
from onboarding.plans.tasks import logger  # NEW


@shared_task(name="onboarding.notify_drifts", ignore_result=True)
def send_drift_notifications() -> None:
    """Each minute: notifications about what has drifted or is right again, and those not sent yet."""
    now = timezone.now()
    for tenant in notifications.tenants_to_notify(now):
        notifications.create_notifications(tenant, now=now)
    for public_id in notifications.unsent(now).values_list("public_id", flat=True):
        send_drift_notification.delay(public_id)


@shared_task(name="onboarding.send_drift_notification", acks_late=True, ignore_result=True)
def send_drift_notification(public_id: str) -> None:
    notification = DriftNotification.objects.select_related("tenant", "recipient").filter(
        public_id=public_id
    )
    for each in notification:
        try:
            notifications.send(each, now=timezone.now())
        except (SMTPException, OSError) as error:
            # It stays unsent, and the beat comes back to it.
            logger.warning("the mail server took no notification about drifts: %s", error)
