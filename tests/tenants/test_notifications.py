"""Notifications: access, the number of the bell, reading, the e-mail, and their end."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from tenants import database_time, notifications, outbox, people, tasks
from tenants.models import Membership, Notification, OutboxMessage, Tenant, User
from tenants.queries import tenants_for, tenants_staffed_by
from tenants.tasks import clean_notifications, send_message
from tests.factories import MakeTenant, SignIn

Kind = Notification.Kind
LIST = "tenants:notification-list"
TASK = {"title": "SPF Record Update", "id": "x", "phase": "prepare", "key": "spf-record-update"}


def _notify(tenant: Tenant, *recipients: User, number: int = 1, **values: Any) -> None:
    notifications.notify(
        tenant, Kind.MENTION, recipients, source=f"comment:{number}", tasks=[TASK], **values
    )


def _sentences(client: Client, query: str = "") -> list[str]:
    response = client.get(reverse(LIST) + query)
    return [notification.source for notification in response.context["found"]]


def _send_emails() -> list[Any]:
    """The e-mails of all waiting messages, also of those that are not due yet."""
    before = len(mail.outbox)
    OutboxMessage.objects.filter(sent_at=None).update(not_before=database_time.now())
    for message in outbox.claim_due(now=database_time.now()):
        send_message(message.public_id, message.claim_id)
    return mail.outbox[before:]


def test_event_notifies_each_person_once(tenant: Tenant, owner: User, member: User) -> None:
    _notify(tenant, owner, member, by=member)
    _notify(tenant, owner, member, by=member)

    assert list(Notification.objects.values_list("recipient", flat=True)) == [owner.pk]


def test_deactivated_person_is_not_notified(tenant: Tenant, owner: User) -> None:
    owner.is_active = False

    _notify(tenant, owner)

    assert Notification.objects.count() == 0


@pytest.mark.parametrize("role", ["administrator", "consultant", "manager", "follower", "owner"])
def test_condition_equals_the_visible_tenants(
    role: str, make_tenant: MakeTenant, consultant: User, manager: User, administrator: User
) -> None:
    led = make_tenant("Led", domains=(("led.test", "primary"),), consultant=consultant)
    other = make_tenant("Other", domains=(("other.test", "primary"),))
    client = User.objects.create_user("owner@led.test", "pw", name="Own Er")
    Membership.objects.create(tenant=led, user=client, role="owner")
    if role == "follower":
        manager.followed_consultants.add(consultant)
    user = {
        "administrator": administrator,
        "consultant": consultant,
        "manager": manager,
        "follower": manager,
        "owner": client,
    }[role]
    for tenant in (led, other):
        _notify(tenant, user, number=tenant.pk)
        _notify(tenant, user, number=-tenant.pk, is_internal=True)

    seen = notifications.notifications_of(user).values_list("tenant", "is_internal")

    wanted = {(pk, False) for pk in tenants_for(user).values_list("pk", flat=True)}
    wanted |= {(pk, True) for pk in tenants_staffed_by(user).values_list("pk", flat=True)}
    assert set(seen) == wanted


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("is_follower", [False, True])
def test_bell_costs_one_query(
    tenant: Tenant,
    manager: User,
    consultant: User,
    rows: int,
    is_follower: bool,
    django_assert_num_queries: Any,
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    if is_follower:
        manager.followed_consultants.add(consultant)
    for number in range(rows):
        _notify(tenant, manager, number=number)

    with django_assert_num_queries(1):
        bell = notifications.bell_of(manager)

    assert bell.unread == rows


def test_page_shows_the_number_of_the_bell(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    _notify(tenant, owner)

    page = signed_in(owner).get(reverse("onboarding:my-tasks", args=[tenant.public_id]))

    assert "<span data-bell-label>1</span>" in page.content.decode()


def test_list_has_a_constant_number_of_queries(
    tenant: Tenant, owner: User, signed_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = signed_in(owner)
    counts = []
    for number in range(3):
        _notify(tenant, owner, number=number, by=None)
        with django_assert_num_queries(6):
            counts.append(len(_sentences(client)))

    assert counts == [1, 2, 3]


def test_lost_access_hides_and_deletes(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    _notify(tenant, member)
    Membership.objects.filter(user=member).delete()
    hidden = _sentences(signed_in(member))
    unread = notifications.bell_of(member).unread

    clean_notifications()

    assert (hidden, unread, Notification.objects.count()) == ([], 0, 0)


def test_removed_member_has_no_rows(tenant: Tenant, owner: User, member: User) -> None:
    _notify(tenant, member)

    people.remove_member(Membership.objects.get(user=member), by=owner)

    assert Notification.objects.count() == 0


def test_former_staff_sees_no_internal_event(tenant: Tenant, consultant: User) -> None:
    Membership.objects.create(tenant=tenant, user=consultant, role="member")
    _notify(tenant, consultant, is_internal=True)
    User.objects.filter(pk=consultant.pk).update(staff_role="")
    consultant.refresh_from_db()

    hidden = notifications.bell_of(consultant).unread
    clean_notifications()

    assert (hidden, Notification.objects.count()) == (0, 0)


def test_old_rows_are_deleted(tenant: Tenant, owner: User, settings: Any) -> None:
    settings.NOTIFICATION_DAYS = 30
    for number, days in enumerate((29, 31)):
        _notify(tenant, owner, number=number)
        at = database_time.now() - timedelta(days=days)
        Notification.objects.filter(source=f"comment:{number}").update(created_at=at)

    clean_notifications()

    assert Notification.objects.get().source == "comment:0"


# --- Reading


def test_one_notification_becomes_read(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    for number in range(2):
        _notify(tenant, owner, number=number)
    client = signed_in(owner)
    first = Notification.objects.get(source="comment:0")

    client.post(reverse("tenants:notification-read", args=[first.public_id]))

    assert _sentences(client, "?show=unread") == ["comment:1"]


def test_all_means_those_on_the_page(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    for number in range(3):
        _notify(tenant, owner, number=number)
    client = signed_in(owner)
    newest = Notification.objects.get(source="comment:1")

    client.post(reverse("tenants:notifications-read"), {"newest": newest.public_id})

    assert _sentences(client, "?show=unread") == ["comment:2"]


def test_row_that_was_stored_later_remains_unread(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    """A transaction that began earlier commits after the page was read, with a lower number."""
    for number in range(3):
        _notify(tenant, owner, number=number)
    at = database_time.now() - timedelta(hours=1)
    Notification.objects.filter(source="comment:0").update(created_at=at)
    old, unseen, newest = Notification.objects.order_by("pk")
    client = signed_in(owner)
    Notification.objects.filter(pk=unseen.pk).update(recipient=member)
    page = client.get(reverse(LIST)).context
    Notification.objects.filter(pk=unseen.pk).update(recipient=owner)

    form = {"newest": page["newest"].public_id, "recent": page["recent"]}
    client.post(reverse("tenants:notifications-read"), form)

    assert (page["newest"], page["recent"]) == (newest, newest.public_id)
    assert _sentences(client, "?show=unread") == ["comment:1"]
    assert Notification.objects.get(pk=old.pk).read_at is not None


def test_another_person_cannot_mark_it(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    _notify(tenant, owner)
    address = reverse("tenants:notification-read", args=[Notification.objects.get().public_id])

    response = signed_in(member).post(address)

    assert (response.status_code, Notification.objects.get().read_at) == (404, None)


@pytest.mark.parametrize("target", ["https://elsewhere.test/", "//elsewhere.test/", "javascript:1"])
def test_reading_redirects_to_this_site(
    target: str, tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    _notify(tenant, owner)
    address = reverse("tenants:notification-read", args=[Notification.objects.get().public_id])

    response = signed_in(owner).post(address, {"next": target})

    assert response.headers["Location"] == reverse(LIST)


def test_closing_ends_all_except_drift(tenant: Tenant, owner: User) -> None:
    _notify(tenant, owner)
    notifications.notify(tenant, Kind.DRIFT, [owner], source="drift:1", changes=[])

    notifications.end_for_closed(tenant)

    assert notifications.bell_of(owner).unread == 1


def test_revision_reveals_no_numbers(tenant: Tenant, owner: User) -> None:
    _notify(tenant, owner)
    newest = Notification.objects.get().pk
    guesses = {hashlib.sha256(f"1:{pk}".encode()).hexdigest()[:16] for pk in range(newest + 10)}

    assert notifications.bell_of(owner).revision not in guesses


def test_bell_changes_with_each_change(tenant: Tenant, owner: User, member: User) -> None:
    revisions = [notifications.bell_of(owner).revision]
    for number in range(2):
        _notify(tenant, owner, number=number)
        revisions.append(notifications.bell_of(owner).revision)
    notifications.mark_read(notifications.notifications_of(owner).filter(source="comment:0"))
    revisions.append(notifications.bell_of(owner).revision)

    assert len(set(revisions)) == 4
    assert notifications.revisions_of_people([owner.pk, member.pk]) == {
        owner.pk: revisions[-1],
        member.pk: revisions[0],
    }


# --- The e-mail


def test_unread_events_share_one_email(tenant: Tenant, owner: User, settings: Any) -> None:
    settings.SITE_URL = "https://gangway.test"
    for number in range(2):
        _notify(tenant, owner, number=number)

    sent = _send_emails()

    assert [message.subject for message in sent] == ["Northwind: 2 new notifications"]
    assert (
        sent[0].body.count("A former user mentioned you in a comment on “SPF Record Update”.") == 2
    )
    plan = reverse("onboarding:plan-show", args=[tenant.public_id])
    assert f"https://gangway.test{plan}?phase=prepare#spf-record-update" in sent[0].body


def test_event_is_in_one_email_only(tenant: Tenant, owner: User) -> None:
    _notify(tenant, owner)
    _send_emails()
    _notify(tenant, owner, number=2)

    (second,) = _send_emails()

    assert second.subject.startswith("Northwind: A former user mentioned you")


def test_read_event_loses_no_other_one(
    tenant: Tenant, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first message claims both rows and fails. Its own row is read before the next attempt."""
    for number in range(2):
        _notify(tenant, owner, number=number)
    first, second = OutboxMessage.objects.order_by("pk")

    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "render_email", fail)
        with pytest.raises(ZeroDivisionError):
            tasks._notifications(first)
    notifications.mark_read(notifications.notifications_of(owner).filter(source="comment:0"))

    found = [tasks._notifications(message) for message in (first, second)]

    assert [email is not None for email in found] == [True, False]


def test_read_event_causes_no_email(tenant: Tenant, owner: User) -> None:
    _notify(tenant, owner)
    notifications.mark_read(notifications.notifications_of(owner))

    assert _send_emails() == []


def test_person_without_access_gets_no_email(tenant: Tenant, member: User) -> None:
    _notify(tenant, member)
    Membership.objects.filter(user=member).delete()

    assert _send_emails() == []


@pytest.mark.parametrize("kind", [Kind.DRIFT, Kind.REMINDER])
def test_own_email_is_not_repeated(kind: Notification.Kind, tenant: Tenant, owner: User) -> None:
    notifications.notify(tenant, kind, [owner], source="x", tasks=[TASK], changes=[])

    assert OutboxMessage.objects.count() == 0
