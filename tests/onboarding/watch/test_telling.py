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

from onboarding.models import Drift, DriftLetter
from onboarding.tasks import tell_drifts
from onboarding.watch import drifts, telling
from tenants.models import Membership, Tenant, User

NOW = timezone.now()
QUIET = timedelta(minutes=5)


@pytest.fixture
def told(tenant: Tenant, consultant: User, owner: User) -> Tenant:
    """A tenant whose consultant and owner are told."""
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    return Tenant.objects.get(pk=tenant.pk)


def _open(tenant: Tenant, kind: str = "leftover_mx", *, at: datetime = NOW) -> Drift:
    drifts.open_drift(tenant, Drift.Kind(kind), "northwind.test", now=at)
    return Drift.objects.get(kind=kind, closed_at=None)


def _end(drift: Drift, at: datetime) -> None:
    assert drifts.end_drift(drift, Drift.Ending.MENDED, now=at)


def _tell(at: datetime) -> list[Any]:
    """What the beat sends at that moment."""
    before = len(mail.outbox)
    for tenant in telling.tenants_to_tell(at):
        telling.make_letters(tenant, now=at)
    for letter in telling.unsent(at).select_related("tenant", "person"):
        telling.send(letter, now=at)
    return mail.outbox[before:]


def test_what_settles_within_a_short_time_is_one_letter_to_each(
    told: Tenant, viewer: User, member: User, outsider: User
) -> None:
    _open(told)
    _open(told, "include_gone", at=NOW + timedelta(minutes=4))
    assert _tell(NOW + timedelta(minutes=6)) == []

    sent = _tell(NOW + timedelta(minutes=9))

    assert sorted(letter.to[0] for letter in sent) == [
        "consultant@gangway.test",
        "member@northwind.test",
        "owner@northwind.test",
    ]
    assert {letter.subject for letter in sent} == {"Northwind: 2 changes since go-live"}
    assert "MX no longer as proven: northwind.test" in sent[0].body
    assert "SPF no longer lets Mimecast send: northwind.test" in sent[0].body
    assert "\n\n\n" not in sent[0].body


def test_what_goes_on_changing_is_told_after_a_while_all_the_same(told: Tenant) -> None:
    _open(told)
    for minutes, kind in ((4, "include_gone"), (8, "key_gone"), (16, "ttl_low")):
        _open(told, kind, at=NOW + timedelta(minutes=minutes))

    assert _tell(NOW + timedelta(minutes=19)) == []
    assert len(_tell(NOW + timedelta(minutes=20))) == 2


def test_a_change_is_told_once_and_never_daily(told: Tenant) -> None:
    _open(told)
    assert len(_tell(NOW + QUIET)) == 2

    later = [_tell(NOW + timedelta(days=day)) for day in range(1, 30)]

    assert [letter for day in later for letter in day] == []


def test_being_right_again_is_told_once(told: Tenant) -> None:
    drift = _open(told)
    _tell(NOW + QUIET)
    _end(drift, NOW + timedelta(hours=3))

    sent = _tell(NOW + timedelta(hours=4))

    assert sent[0].subject == "Northwind: right again: MX no longer as proven (northwind.test)"
    assert "Right again:" in sent[0].body
    assert _tell(NOW + timedelta(days=1)) == []


def test_what_ended_before_anybody_was_told_is_told_to_nobody(told: Tenant) -> None:
    _end(_open(told), NOW + timedelta(minutes=2))

    assert _tell(NOW + timedelta(hours=1)) == []
    assert not telling.tenants_to_tell(NOW + timedelta(hours=1)).exists()


def test_while_muted_nothing_is_sent_and_after_it_once_if_it_is_still_so(
    told: Tenant, consultant: User
) -> None:
    drift = _open(told)
    _tell(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    assert _tell(NOW + timedelta(days=6)) == []

    sent = _tell(NOW + timedelta(days=7, minutes=6))

    assert sent[0].subject == "Northwind: still so: MX no longer as proven (northwind.test)"
    assert _tell(NOW + timedelta(days=30)) == []


def test_muted_before_anybody_was_told_it_is_news_when_the_mute_ends(
    told: Tenant, consultant: User
) -> None:
    drift = _open(told)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    assert _tell(NOW + timedelta(days=6)) == []

    assert len(_tell(NOW + timedelta(days=7, minutes=6))) == 2


def test_what_is_right_again_under_a_mute_is_told_to_nobody(told: Tenant, consultant: User) -> None:
    drift = _open(told)
    _tell(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    _end(drift, NOW + timedelta(days=2))

    assert _tell(NOW + timedelta(days=8)) == []
    assert not telling.tenants_to_tell(NOW + timedelta(days=8)).exists()


def test_ending_a_mute_repeats_nothing(told: Tenant, consultant: User) -> None:
    drift = _open(told)
    _tell(NOW + QUIET)
    drifts.mute(drift, by=consultant, until=NOW + timedelta(days=7))
    drifts.unmute(drift, by=consultant)

    assert _tell(NOW + timedelta(days=1)) == []


def test_a_worker_that_died_after_making_letters_loses_and_doubles_none(told: Tenant) -> None:
    _open(told)
    at = NOW + QUIET
    letters = telling.make_letters(told, now=at)
    assert telling.make_letters(told, now=at) == []
    # One worker took a letter and died with it.
    DriftLetter.objects.filter(pk=letters[0].pk).update(claimed_until=at + timedelta(minutes=3))

    assert len(_tell(at)) == 1
    assert len(_tell(at + timedelta(minutes=4))) == 1
    assert _tell(at + timedelta(days=1)) == []
    assert sorted(message.to[0] for message in mail.outbox) == [
        "consultant@gangway.test",
        "owner@northwind.test",
    ]


def test_a_letter_sent_again_carries_the_same_message_id(told: Tenant) -> None:
    _open(told)
    _tell(NOW + QUIET)
    DriftLetter.objects.update(sent_at=None)

    _tell(NOW + timedelta(hours=1))

    ids = [message.extra_headers["Message-ID"] for message in mail.outbox]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_two_workers_with_one_letter_send_it_once(told: Tenant) -> None:
    _open(told)
    letter = telling.make_letters(told, now=NOW + QUIET)[0]

    assert telling.send(letter, now=NOW + QUIET)
    assert not telling.send(letter, now=NOW + QUIET)
    assert len(mail.outbox) == 1


def test_a_letter_that_the_mail_server_refused_is_sent_later(
    told: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    Drift.objects.create(
        tenant=told, kind="leftover_mx", subject="n.test", opened_at=NOW - timedelta(hours=1)
    )

    def refuse(self: Any) -> int:
        raise SMTPException("not now")

    with monkeypatch.context() as patch:
        patch.setattr(EmailMultiAlternatives, "send", refuse)
        tell_drifts()
    assert (len(mail.outbox), DriftLetter.objects.filter(sent_at=None).count()) == (0, 2)

    assert _tell(timezone.now()) == []
    assert len(_tell(timezone.now() + timedelta(minutes=6))) == 2


def test_whoever_left_meanwhile_gets_none(told: Tenant, owner: User, consultant: User) -> None:
    _open(told)
    telling.make_letters(told, now=NOW + QUIET)
    Membership.objects.filter(user=owner).delete()
    User.objects.filter(pk=consultant.pk).update(is_active=False)

    assert _tell(NOW + QUIET) == []
    assert not DriftLetter.objects.exists()


def test_a_tenant_closed_before_it_was_complete_tells_nobody(told: Tenant) -> None:
    _open(told)
    Tenant.objects.filter(pk=told.pk).update(archived_at=NOW)
    assert _tell(NOW + QUIET) == []

    Tenant.objects.filter(pk=told.pk).update(completed_at=NOW)
    assert len(_tell(NOW + QUIET)) == 2


@pytest.mark.parametrize("site", ["", "https://gangway.example"])
def test_a_letter_leads_to_the_page_where_our_address_is_known(
    told: Tenant, settings: Any, site: str
) -> None:
    settings.SITE_URL = site
    _open(told)

    body = _tell(NOW + QUIET)[0].body

    assert (site + reverse("onboarding:watch", args=[told.public_id]) in body) == bool(site)
    assert "testserver" not in body
