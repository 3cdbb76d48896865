"""Telling people of drifts: one message for each change of state, none twice, none while muted.

1. A change is due once nothing else of the tenant has changed for some minutes, or at the latest
   after a while: what settles together is told together.
2. What was opened and ended before anybody was told is told to nobody; the page has it.
3. The notifications and the notes of what they tell are made in one transaction; sending comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import StrEnum
from smtplib import SMTPException

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse

from onboarding.models import Drift, DriftNotification
from tenants.email import send_template_email
from tenants.models import Membership, Tenant, User
from tenants.permissions import role_in

# However much goes on changing, nobody waits for longer than this many times the quiet.
_MAX_QUIET_PERIODS = 4
_LEASE = timedelta(minutes=3)
_RETRY_AFTER = timedelta(minutes=5)
# A mail server that has taken nothing for so long will not: the page has it all.
_GIVE_UP_AFTER = timedelta(days=3)
_RECIPIENT_ROLES = (Membership.Role.OWNER, Membership.Role.MEMBER)


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
    """What is to be told of a drift; None where it was told, or is muted. Pure."""
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
    """Those with something untold; a tenant that was closed uncompleted is watched no more."""
    is_checked = Q(closed_at=None) | Q(completed_at__isnull=False)
    return Tenant.objects.filter(is_checked, pk__in=_drifts_to_notify(now).values("tenant"))


def create_notifications(tenant: Tenant, *, now: datetime) -> list[DriftNotification]:
    """Letters about all that is due, and the notes that it is told; none while more may follow."""
    with transaction.atomic():
        # Of two workers the second waits here, and finds nothing untold.
        rows = _drifts_to_notify(now).filter(tenant=tenant).select_for_update().order_by("pk")
        changes = [change for drift in rows for change in [pending_change(drift, now)] if change]
        people = recipients_of(tenant)
        if not changes or not people or not _is_due(changes, now):
            return []
        changes_json = [change.as_json for change in sorted(changes, key=lambda change: change.at)]
        notifications = [
            DriftNotification.objects.create(
                tenant=tenant, recipient=recipient, changes=changes_json, created_at=now
            )
            for recipient in people
        ]
        _log_activity(changes, now)
    return notifications


def _is_due(changes: Sequence[DriftChange], now: datetime) -> bool:
    quiet = timedelta(seconds=settings.DRIFT_QUIET_SECONDS)
    times = [change.at for change in changes]
    return now - max(times) >= quiet or now - min(times) >= quiet * _MAX_QUIET_PERIODS


def _log_activity(changes: Iterable[DriftChange], now: datetime) -> None:
    for change in changes:
        column = (
            "closing_notified_at"
            if change.type is DriftChangeType.CLOSED
            else "opening_notified_at"
        )
        Drift.objects.filter(pk=change.drift.pk).update(**{column: now})


def recipients_of(tenant: Tenant) -> list[User]:
    """The consultant, and the client's people who act."""
    members = Membership.objects.filter(tenant=tenant, role__in=_RECIPIENT_ROLES).values("user")
    is_notified = Q(pk__in=members) | Q(pk=tenant.consultant_id)
    return list(User.objects.filter(is_notified, is_active=True).order_by("pk"))


# --- Sending


def unsent(now: datetime) -> QuerySet[DriftNotification]:
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    return DriftNotification.objects.filter(
        is_free, sent_at=None, created_at__gt=now - _GIVE_UP_AFTER
    )


def send(notification: DriftNotification, *, now: datetime) -> bool:
    """Send it unless another worker has it. A mail server that takes nothing is asked again."""
    mine = unsent(now).filter(pk=notification.pk).update(claimed_until=now + _LEASE)
    if not mine:
        return False
    if role_in(notification.recipient, notification.tenant) is None:
        # Gone since it was made: it is nobody's business any more.
        notification.delete()
        return False
    try:
        send_template_email(
            notification.recipient.email,
            "drift",
            _context(notification),
            message_id=f"<{notification.public_id}.drift@{_mail_domain()}>",
        )
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
        # Nobody asked for this notification, so no request knows our address.
        "link": settings.SITE_URL + path if settings.SITE_URL else "",
    }


def _mail_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
