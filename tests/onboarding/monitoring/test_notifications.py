"""Notifications of drifts: one for each change of state, combined, and none while muted."""

from __future__ import annotations

from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Drift, DriftNotification
from onboarding.monitoring import drifts, notifications
from onboarding.monitoring.tasks import notify_drifts
from onboarding.plans import recipients
from tenants.models import Membership, Tenant, User
from tests.factories import MakeTenant

NOW = timezone.now()
QUIET = timedelta(minutes=5)


@pytest.fixture
def notified(tenant: Tenant, consultant: User, owner: User) -> Tenant:
    """A tenant whose consultant and owner receive notifications."""
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    return Tenant.objects.get(pk=tenant.pk)


def _open(tenant: Tenant, kind: str = "leftover_mx", *, at: datetime = NOW) -> Drift:
    drifts.open_drift(tenant, Drift.Kind(kind), "northwind.test", now=at)
    return Drift.objects.get(kind=kind, closed_at=None)


def _end(drift: Drift, at: datetime) -> None:
    assert drifts.close_drift(drift, Drift.Resolution.RESOLVED, now=at)


def _notify(at: datetime) -> list[Any]:
    """The e-mails that the beat sends at this time."""
    before = len(mail.outbox)
    for tenant in notifications.tenants_to_notify(at):
        notifications.create_notifications(tenant, now=at)
    for notification in notifications.unsent(at).select_related("tenant", "recipient"):
        notifications.send(notification, now=at)
    return mail.outbox[before:]


def test_changes_share_one_email(
    notified: Tenant, viewer: User, member: User, outsider: User
) -> None:
    _open(notified)
    _open(notified, "include_gone", at=NOW + timedelta(minutes=4))
    assert _notify(NOW + timedelta(minutes=6)) == []

    sent = _notify(NOW + timedelta(minutes=9))

    assert sorted(notification.to[0] for notification in sent) == [
        "consultant@gangway.test",
        "member@northwind.test",
        "owner@northwind.test",
    ]
    assert {notification.subject for notification in sent} == {"Northwind: 2 changes since go-live"}
    assert "MX records changed: northwind.test" in sent[0].body
    assert "SPF no longer permits Mimecast: northwind.test" in sent[0].body
    assert "\n\n\n" not in sent[0].body


def test_continuous_changes_are_sent(notified: Tenant) -> None:
    _open(notified)
    for minutes, kind in ((4, "include_gone"), (8, "key_gone"), (16, "ttl_low")):
        _open(notified, kind, at=NOW + timedelta(minutes=minutes))

    assert _notify(NOW + timedelta(minutes=19)) == []
    assert len(_notify(NOW + timedelta(minutes=20))) == 2


def test_drift_is_notified_once(notified: Tenant) -> None:
    _open(notified)
    assert len(_notify(NOW + QUIET)) == 2

    later = [_notify(NOW + timedelta(days=day)) for day in range(1, 30)]

    assert [notification for day in later for notification in day] == []


def test_closed_drift_is_notified_once(notified: Tenant) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    _end(drift, NOW + timedelta(hours=3))

    sent = _notify(NOW + timedelta(hours=4))

    assert sent[0].subject == "Northwind: Resolved: MX records changed (northwind.test)"
    assert "Resolved:" in sent[0].body
    assert _notify(NOW + timedelta(days=1)) == []


def test_short_drift_is_not_notified(notified: Tenant) -> None:
    _end(_open(notified), NOW + timedelta(minutes=2))

    assert _notify(NOW + timedelta(hours=1)) == []
    assert not notifications.tenants_to_notify(NOW + timedelta(hours=1)).exists()


def test_open_drift_is_sent_after_mute(notified: Tenant, consultant: User) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    assert _notify(NOW + timedelta(days=6)) == []

    sent = _notify(NOW + timedelta(days=7, minutes=6))

    assert sent[0].subject == "Northwind: Still open: MX records changed (northwind.test)"
    assert _notify(NOW + timedelta(days=30)) == []


def test_early_mute_delays_first_email(notified: Tenant, consultant: User) -> None:
    drift = _open(notified)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    assert _notify(NOW + timedelta(days=6)) == []

    assert len(_notify(NOW + timedelta(days=7, minutes=6))) == 2


def test_drift_closed_in_mute_is_not_sent(notified: Tenant, consultant: User) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    _end(drift, NOW + timedelta(days=2))

    assert _notify(NOW + timedelta(days=8)) == []
    assert not notifications.tenants_to_notify(NOW + timedelta(days=8)).exists()


def test_unmute_repeats_no_email(notified: Tenant, consultant: User) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    drifts.unmute(drift, by=consultant)

    assert _notify(NOW + timedelta(days=1)) == []


def test_lost_worker_duplicates_no_email(notified: Tenant) -> None:
    _open(notified)
    at = NOW + QUIET
    created = notifications.create_notifications(notified, now=at)
    assert notifications.create_notifications(notified, now=at) == []
    # A worker claims one notification and stops.
    DriftNotification.objects.filter(pk=created[0].pk).update(
        claimed_until=at + timedelta(minutes=3)
    )

    assert len(_notify(at)) == 1
    assert len(_notify(at + timedelta(minutes=4))) == 1
    assert _notify(at + timedelta(days=1)) == []
    assert sorted(message.to[0] for message in mail.outbox) == [
        "consultant@gangway.test",
        "owner@northwind.test",
    ]


def test_resent_email_keeps_message_id(notified: Tenant) -> None:
    _open(notified)
    _notify(NOW + QUIET)
    DriftNotification.objects.update(sent_at=None)

    _notify(NOW + timedelta(hours=1))

    ids = [message.extra_headers["Message-ID"] for message in mail.outbox]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_claimed_notification_is_sent_once(notified: Tenant) -> None:
    _open(notified)
    notification = notifications.create_notifications(notified, now=NOW + QUIET)[0]

    assert notifications.send(notification, now=NOW + QUIET)
    assert not notifications.send(notification, now=NOW + QUIET)
    assert len(mail.outbox) == 1


def test_rejected_email_is_sent_later(notified: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    Drift.objects.create(
        tenant=notified, kind="leftover_mx", subject="n.test", opened_at=NOW - timedelta(hours=1)
    )

    def refuse(self: Any) -> int:
        raise SMTPException("not now")

    with monkeypatch.context() as patch:
        patch.setattr(EmailMultiAlternatives, "send", refuse)
        notify_drifts()
    assert (len(mail.outbox), DriftNotification.objects.filter(sent_at=None).count()) == (0, 2)

    assert _notify(timezone.now()) == []
    assert len(_notify(timezone.now() + timedelta(minutes=6))) == 2


def test_former_member_gets_no_email(notified: Tenant, owner: User, consultant: User) -> None:
    _open(notified)
    notifications.create_notifications(notified, now=NOW + QUIET)
    Membership.objects.filter(user=owner).delete()
    User.objects.filter(pk=consultant.pk).update(is_active=False)

    assert _notify(NOW + QUIET) == []
    assert not DriftNotification.objects.exists()


def test_incomplete_closed_tenant_sends_nothing(notified: Tenant) -> None:
    _open(notified)
    Tenant.objects.filter(pk=notified.pk).update(closed_at=NOW)
    assert _notify(NOW + QUIET) == []

    Tenant.objects.filter(pk=notified.pk).update(completed_at=NOW)
    assert len(_notify(NOW + QUIET)) == 2


@pytest.mark.parametrize("site", ["", "https://gangway.example"])
def test_email_links_to_monitoring_page(notified: Tenant, settings: Any, site: str) -> None:
    settings.SITE_URL = site
    _open(notified)

    body = _notify(NOW + QUIET)[0].body

    assert (site + reverse("onboarding:monitoring", args=[notified.public_id]) in body) == bool(
        site
    )
    assert "testserver" not in body


@pytest.mark.usefixtures("without_eager_errors")
def test_failing_tenant_delays_no_other(
    notified: Tenant, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = make_tenant("Tailspin", (("tailspin.test", "primary"),))
    for tenant in (failing, notified):
        drifts.open_drift(tenant, Drift.Kind.LEFTOVER_MX, "mx.test", now=NOW - QUIET)
    everyone_in = recipients.everyone_in

    def fail_for_one(tenant: Tenant) -> list[User]:
        assert tenant != failing
        return everyone_in(tenant)

    monkeypatch.setattr(notifications, "everyone_in", fail_for_one)

    notify_drifts()

    assert sorted(message.to[0] for message in mail.outbox) == [
        "consultant@gangway.test",
        "owner@northwind.test",
    ]
