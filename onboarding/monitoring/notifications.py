"""Notify people of drifts: one e-mail for each change of state, none twice, none while muted.

1. A change is due after some minutes without another change of the tenant, or at a maximum delay.
   So changes that settle together share one e-mail.
2. A drift that opens and closes before its notification is due causes none. The page shows it.
3. One transaction creates the notifications and marks their drifts as notified. Sending follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from smtplib import SMTPException

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse

from onboarding.models import Drift, DriftNotification
from onboarding.plans.recipients import everyone_in
from tenants.email import message_id, render_email
from tenants.email import send as send_email
from tenants.models import Notification, Tenant
from tenants.notifications import notify
from tenants.permissions import role_in

# With continuous changes, a notification is due after this many quiet periods.
_MAX_QUIET_PERIODS = 4
_LEASE = timedelta(minutes=3)
_RETRY_AFTER = timedelta(minutes=5)
# After this time an unsent notification is out of date. The page has its content.
_GIVE_UP_AFTER = timedelta(days=3)


class DriftChangeType(StrEnum):
    OPENED = "opened"
    STILL_OPEN = "still_open"
    CLOSED = "closed"


@dataclass(frozen=True)
class DriftChange:
    drift: Drift
    type: DriftChangeType
    at: datetime

    @property
    def as_json(self) -> dict[str, str]:
        drift = self.drift
        return {
            "drift": drift.public_id,
            "kind": drift.kind,
            "title": drift.get_kind_display(),
            "subject": drift.subject,
            "type": self.type.value,
            "resolution": drift.resolution,
        }


def pending_change(drift: Drift, now: datetime) -> DriftChange | None:
    """The change of a drift to notify; None if people were notified, or while it is muted. Pure."""
    if not drift.is_open:
        return _closing_change(drift)
    if drift.is_muted(now):
        return None
    if drift.opening_notified_at is None:
        return DriftChange(
            drift,
            DriftChangeType.OPENED,
            max(drift.opened_at, drift.muted_until or drift.opened_at),
        )
    if drift.muted_until is not None and drift.opening_notified_at < drift.muted_until:
        return DriftChange(drift, DriftChangeType.STILL_OPEN, drift.muted_until)
    return None


def _closing_change(drift: Drift) -> DriftChange | None:
    closed_at = drift.closed_at
    assert closed_at is not None
    was_notified = drift.opening_notified_at is not None and drift.closing_notified_at is None
    if (
        not was_notified
        or drift.is_muted(closed_at)
        or drift.resolution == Drift.Resolution.UNMONITORED
    ):
        return None
    return DriftChange(drift, DriftChangeType.CLOSED, closed_at)


def _drifts_to_notify(now: datetime) -> QuerySet[Drift]:
    is_new = Q(closed_at=None, opening_notified_at=None)
    is_still_so = Q(closed_at=None, opening_notified_at__lt=F("muted_until"))
    is_over = Q(
        closed_at__isnull=False, opening_notified_at__isnull=False, closing_notified_at=None
    )
    is_heard = Q(muted_until=None) | Q(muted_until__lte=now)
    was_heard = Q(muted_until=None) | Q(muted_until__lte=F("closed_at"))
    is_notified = ~Q(resolution=Drift.Resolution.UNMONITORED)
    return Drift.objects.filter(
        ((is_new | is_still_so) & is_heard) | (is_over & was_heard & is_notified)
    )


def tenants_to_notify(now: datetime) -> QuerySet[Tenant]:
    """The monitored tenants with a change to notify, also if it is not due yet.

    A tenant that was closed before it was complete is not monitored any more.
    """
    is_checked = Q(closed_at=None) | Q(completed_at__isnull=False)
    return Tenant.objects.filter(is_checked, pk__in=_drifts_to_notify(now).values("tenant"))


def create_notifications(tenant: Tenant, *, now: datetime) -> list[DriftNotification]:
    """Create one notification for each recipient and mark the changes as notified.

    Creates none before the changes are due, or without a recipient.
    """
    with transaction.atomic():
        # A second worker waits for this lock and then finds no change to notify.
        rows = (
            _drifts_to_notify(now)
            .filter(tenant=tenant)
            .select_for_update(no_key=True)
            .order_by("pk")
        )
        changes = [change for drift in rows for change in [pending_change(drift, now)] if change]
        people = everyone_in(tenant)
        if not changes or not people or not _is_due(changes, now):
            return []
        changes_json = [change.as_json for change in sorted(changes, key=lambda change: change.at)]
        notifications = [
            DriftNotification.objects.create(
                tenant=tenant, recipient=recipient, changes=changes_json, created_at=now
            )
            for recipient in people
        ]
        notify(
            tenant,
            Notification.Kind.DRIFT,
            people,
            source=f"drift:{notifications[0].public_id}",
            changes=changes_json,
        )
        _mark_notified(changes, now)
    return notifications


def _is_due(changes: Sequence[DriftChange], now: datetime) -> bool:
    quiet = timedelta(seconds=settings.DRIFT_QUIET_SECONDS)
    times = [change.at for change in changes]
    return now - max(times) >= quiet or now - min(times) >= quiet * _MAX_QUIET_PERIODS


def _mark_notified(changes: Iterable[DriftChange], now: datetime) -> None:
    for change in changes:
        column = (
            "closing_notified_at"
            if change.type is DriftChangeType.CLOSED
            else "opening_notified_at"
        )
        Drift.objects.filter(pk=change.drift.pk).update(**{column: now})


# --- Sending


def unsent(now: datetime) -> QuerySet[DriftNotification]:
    """The notifications to send that no worker has claimed."""
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    return DriftNotification.objects.filter(
        is_free, sent_at=None, created_at__gt=now - _GIVE_UP_AFTER
    )


def send(notification: DriftNotification, *, now: datetime) -> bool:
    """Send the notification; False if another worker has claimed it, or if it is obsolete.

    If the mail server rejects it, the notification is due again after some minutes, and the error
    is raised.
    """
    claimed = unsent(now).filter(pk=notification.pk).update(claimed_until=now + _LEASE)
    if not claimed:
        return False
    if role_in(notification.recipient, notification.tenant) is None:
        # The recipient has lost access to the tenant since.
        notification.delete()
        return False
    try:
        email = render_email(notification.recipient.email, "drift", _context(notification))
        send_email(email, message_id=message_id(notification.public_id, "drift"))
    except (SMTPException, OSError):
        DriftNotification.objects.filter(pk=notification.pk).update(
            claimed_until=now + _RETRY_AFTER
        )
        raise
    return bool(
        DriftNotification.objects.filter(pk=notification.pk, sent_at=None).update(sent_at=now)
    )


def _context(notification: DriftNotification) -> dict[str, object]:
    tenant = notification.tenant
    path = reverse("onboarding:monitoring", args=[tenant.public_id])
    return {
        "tenant": tenant,
        "recipient": notification.recipient,
        "changes": notification.changes,
        "open_changes": [c for c in notification.changes if c["type"] != DriftChangeType.CLOSED],
        "closed_changes": [c for c in notification.changes if c["type"] == DriftChangeType.CLOSED],
        # No request caused this e-mail, so that only the setting knows the site's address.
        "link": settings.SITE_URL + path if settings.SITE_URL else "",
    }
