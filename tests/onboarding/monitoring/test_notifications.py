"""Letters about drifts: one for each change of state, together, once, and none while muted."""

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
from onboarding.monitoring.tasks import send_drift_notifications
from tenants.models import Membership, Tenant, User

NOW = timezone.now()
QUIET = timedelta(minutes=5)


@pytest.fixture
def notified(tenant: Tenant, consultant: User, owner: User) -> Tenant:
    """A tenant whose consultant and owner are told."""
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    return Tenant.objects.get(pk=tenant.pk)


def _open(tenant: Tenant, kind: str = "leftover_mx", *, at: datetime = NOW) -> Drift:
    drifts.open_drift(tenant, Drift.Kind(kind), "northwind.test", now=at)
    return Drift.objects.get(kind=kind, closed_at=None)


def _end(drift: Drift, at: datetime) -> None:
    assert drifts.close_drift(drift, Drift.Resolution.RESOLVED, now=at)


def _notify(at: datetime) -> list[Any]:
    """What the beat sends at that moment."""
    before = len(mail.outbox)
    for tenant in notifications.tenants_to_notify(at):
        notifications.create_notifications(tenant, now=at)
    for notification in notifications.unsent(at).select_related("tenant", "recipient"):
        notifications.send(notification, now=at)
    return mail.outbox[before:]


def test_what_settles_within_a_short_time_is_one_letter_to_each(
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


def test_what_goes_on_changing_is_told_after_a_while_all_the_same(notified: Tenant) -> None:
    _open(notified)
    for minutes, kind in ((4, "include_gone"), (8, "key_gone"), (16, "ttl_low")):
        _open(notified, kind, at=NOW + timedelta(minutes=minutes))

    assert _notify(NOW + timedelta(minutes=19)) == []
    assert len(_notify(NOW + timedelta(minutes=20))) == 2


def test_a_change_is_told_once_and_never_daily(notified: Tenant) -> None:
    _open(notified)
    assert len(_notify(NOW + QUIET)) == 2

    later = [_notify(NOW + timedelta(days=day)) for day in range(1, 30)]

    assert [notification for day in later for notification in day] == []


def test_being_right_again_is_told_once(notified: Tenant) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    _end(drift, NOW + timedelta(hours=3))

    sent = _notify(NOW + timedelta(hours=4))

    assert sent[0].subject == "Northwind: Resolved: MX records changed (northwind.test)"
    assert "Resolved:" in sent[0].body
    assert _notify(NOW + timedelta(days=1)) == []


def test_what_ended_before_anybody_was_told_is_told_to_nobody(notified: Tenant) -> None:
    _end(_open(notified), NOW + timedelta(minutes=2))

    assert _notify(NOW + timedelta(hours=1)) == []
    assert not notifications.tenants_to_notify(NOW + timedelta(hours=1)).exists()


def test_while_muted_nothing_is_sent_and_after_it_once_if_it_is_still_so(
    notified: Tenant, consultant: User
) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    assert _notify(NOW + timedelta(days=6)) == []

    sent = _notify(NOW + timedelta(days=7, minutes=6))

    assert sent[0].subject == "Northwind: Still open: MX records changed (northwind.test)"
    assert _notify(NOW + timedelta(days=30)) == []


def test_muted_before_anybody_was_told_it_is_news_when_the_mute_ends(
    notified: Tenant, consultant: User
) -> None:
    drift = _open(notified)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    assert _notify(NOW + timedelta(days=6)) == []

    assert len(_notify(NOW + timedelta(days=7, minutes=6))) == 2


def test_what_is_right_again_under_a_mute_is_told_to_nobody(
    notified: Tenant, consultant: User
) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    _end(drift, NOW + timedelta(days=2))

    assert _notify(NOW + timedelta(days=8)) == []
    assert not notifications.tenants_to_notify(NOW + timedelta(days=8)).exists()


def test_ending_a_mute_repeats_nothing(notified: Tenant, consultant: User) -> None:
    drift = _open(notified)
    _notify(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    drifts.unmute(drift, by=consultant)

    assert _notify(NOW + timedelta(days=1)) == []


def test_a_worker_that_died_after_making_letters_loses_and_doubles_none(notified: Tenant) -> None:
    _open(notified)
    at = NOW + QUIET
    created = notifications.create_notifications(notified, now=at)
    assert notifications.create_notifications(notified, now=at) == []
    # One worker took a notification and died with it.
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


def test_a_letter_sent_again_carries_the_same_message_id(notified: Tenant) -> None:
    _open(notified)
    _notify(NOW + QUIET)
    DriftNotification.objects.update(sent_at=None)

    _notify(NOW + timedelta(hours=1))

    ids = [message.extra_headers["Message-ID"] for message in mail.outbox]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_two_workers_with_one_letter_send_it_once(notified: Tenant) -> None:
    _open(notified)
    notification = notifications.create_notifications(notified, now=NOW + QUIET)[0]

    assert notifications.send(notification, now=NOW + QUIET)
    assert not notifications.send(notification, now=NOW + QUIET)
    assert len(mail.outbox) == 1


def test_a_letter_that_the_mail_server_refused_is_sent_later(
    notified: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    Drift.objects.create(
        tenant=notified, kind="leftover_mx", subject="n.test", opened_at=NOW - timedelta(hours=1)
    )

    def refuse(self: Any) -> int:
        raise SMTPException("not now")

    with monkeypatch.context() as patch:
        patch.setattr(EmailMultiAlternatives, "send", refuse)
        send_drift_notifications()
    assert (len(mail.outbox), DriftNotification.objects.filter(sent_at=None).count()) == (0, 2)

    assert _notify(timezone.now()) == []
    assert len(_notify(timezone.now() + timedelta(minutes=6))) == 2


def test_whoever_left_meanwhile_gets_none(notified: Tenant, owner: User, consultant: User) -> None:
    _open(notified)
    notifications.create_notifications(notified, now=NOW + QUIET)
    Membership.objects.filter(user=owner).delete()
    User.objects.filter(pk=consultant.pk).update(is_active=False)

    assert _notify(NOW + QUIET) == []
    assert not DriftNotification.objects.exists()


def test_a_tenant_closed_before_it_was_complete_tells_nobody(notified: Tenant) -> None:
    _open(notified)
    Tenant.objects.filter(pk=notified.pk).update(closed_at=NOW)
    assert _notify(NOW + QUIET) == []

    Tenant.objects.filter(pk=notified.pk).update(completed_at=NOW)
    assert len(_notify(NOW + QUIET)) == 2


@pytest.mark.parametrize("site", ["", "https://gangway.example"])
def test_a_letter_leads_to_the_page_where_our_address_is_known(
    notified: Tenant, settings: Any, site: str
) -> None:
    settings.SITE_URL = site
    _open(notified)

    body = _notify(NOW + QUIET)[0].body

    assert (site + reverse("onboarding:monitoring", args=[notified.public_id]) in body) == bool(
        site
    )
    assert "testserver" not in body
