"""Notifications: one row for each person whom an event concerns, for the bell and the e-mail.

1. The service of the event calls `notify` in its transaction, with the recipients. No other code
   decides about recipients: the e-mail goes to the people who have a row.
2. A reminder and a drift have an e-mail of their own, to the same recipients. The e-mail of any
   other kind collects the unread rows of a person in a tenant, some minutes after the event.
3. Each read filters by the present access. A lost access hides the rows at once. The rows of a
   removed member are deleted with the membership, all others by the next daily cleaning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet
from django.utils.crypto import salted_hmac

from tenants import database_time, outbox
from tenants.models import Notification, Tenant, User
from tenants.permissions import role_in
from tenants.queries import condition_of_staffed_tenants, condition_of_tenants

EMAIL = "notifications"
Kind = Notification.Kind
_OWN_EMAIL = (Kind.REMINDER, Kind.DRIFT)
# A closed tenant is still monitored, so that its drifts remain unread.
_ENDED_BY_CLOSING = tuple(kind for kind in Kind if kind is not Kind.DRIFT)


# --- The transaction of the event


def notify(
    tenant: Tenant,
    kind: Notification.Kind,
    recipients: Iterable[User],
    *,
    source: str,
    by: User | None = None,
    is_internal: bool = False,
    **params: Any,
) -> list[Notification]:
    """Store a notification for each recipient, and queue its e-mail.

    `source` is the object behind the event: a second call for the same one adds no row. The person
    who caused the event is not notified, nor an account without access to the installation.
    """
    people = {p.pk: p for p in recipients if p.is_active and (by is None or p.pk != by.pk)}
    if not people:
        return []
    known = Notification.objects.filter(recipient__in=people, source=source)
    for person_id in known.values_list("recipient_id", flat=True):
        del people[person_id]
    now = database_time.now()
    made = [
        Notification(
            recipient=person,
            tenant=tenant,
            kind=kind,
            actor=by,
            params=params,
            source=source,
            is_internal=is_internal,
            created_at=now,
        )
        for person in people.values()
    ]
    # A concurrent call for the same source may have been faster.
    Notification.objects.bulk_create(made, ignore_conflicts=True)
    if kind not in _OWN_EMAIL:
        for each in made:
            _queue_email(each, now=now)
    return made


def _queue_email(notification: Notification, *, now: datetime) -> None:
    outbox.add(
        EMAIL,
        recipient=notification.recipient.email,
        tenant=notification.tenant,
        payload={"notification": notification.public_id},
        not_before=now + timedelta(seconds=settings.NOTIFICATION_EMAIL_SECONDS),
    )


def withdraw(tenant: Tenant, source: str) -> None:
    """Delete the notifications of an object that was deleted, or that needs no action any more.

    Those of all sources of the tenant that begin with `source`.
    """
    Notification.objects.filter(tenant=tenant, source__startswith=source).delete()


def end_for_closed(tenant: Tenant) -> None:
    """Mark the unread notifications of a tenant as read when it closes: no action is possible."""
    unread = Notification.objects.filter(tenant=tenant, read_at=None, kind__in=_ENDED_BY_CLOSING)
    unread.update(read_at=database_time.now())


# --- Reading


def readable_by(user: User) -> Q:
    """The condition for the rows that a person may see now, with the present access."""
    is_staffed = condition_of_staffed_tenants(user, "tenant")
    return condition_of_tenants(user, "tenant") & (Q(is_internal=False) | is_staffed)


def notifications_of(user: User) -> QuerySet[Notification]:
    """The notifications of a person in the tenants to which they have access, newest first."""
    rows = Notification.objects.filter(readable_by(user), recipient=user)
    return rows.select_related("tenant", "actor", "recipient")


@dataclass(frozen=True)
class Bell:
    """The number of unread notifications, and a text that changes with the unread rows."""

    unread: int
    revision: str

    @property
    def label(self) -> str:
        """The number for the badge, which has room for two digits."""
        return str(self.unread) if self.unread < 100 else "99+"


def bell_of(user: User) -> Bell:
    """The bell of a person, in one query of the index of unread rows."""
    found = Notification.objects.filter(recipient=user, read_at=None).aggregate(
        unread=Count("pk", filter=readable_by(user)), number=Count("pk"), newest=Max("pk")
    )
    return Bell(found["unread"], _revision(found["number"], found["newest"]))


def revisions_of_people(people: Collection[int]) -> dict[int, str]:
    """The revision of each bell by the id of the person, in one query."""
    rows = Notification.objects.filter(recipient__in=people, read_at=None).order_by()
    found = rows.values("recipient").annotate(number=Count("pk"), newest=Max("pk"))
    changed = {row["recipient"]: _revision(row["number"], row["newest"]) for row in found}
    return {person: changed.get(person, _revision(0, None)) for person in people}


def _revision(number: int, newest: int | None) -> str:
    """A digest with the secret key: the numbers of rows would show the activity of other tenants,
    and a plain digest of small numbers can be reversed."""
    return salted_hmac("tenants.notifications.revision", f"{number}:{newest or 0}").hexdigest()[:16]


def mark_read(notifications: QuerySet[Notification]) -> int:
    """Mark rows of `notifications_of` as read. Returns the number of those that were unread."""
    unread = notifications.filter(read_at=None)
    # The rows of another query: an update has no joins.
    rows = Notification.objects.filter(pk__in=unread.order_by().values("pk"))
    return rows.update(read_at=database_time.now())


# Longer than any transaction: an older row was visible to every reader.
_COMMITTED_AFTER = timedelta(minutes=15)
_MOST_RECENT = 500


def recent_ids(notifications: QuerySet[Notification], newest: Notification) -> list[str]:
    """The ids of the unread rows on the page that `up_to` needs."""
    since = newest.created_at - _COMMITTED_AFTER
    recent = notifications.filter(read_at=None, pk__lte=newest.pk, created_at__gte=since)
    return list(recent.order_by("-pk").values_list("public_id", flat=True)[:_MOST_RECENT])


def up_to(
    notifications: QuerySet[Notification],
    newest: Notification,
    recent: Collection[str] | None = None,
) -> QuerySet[Notification]:
    """The rows up to the newest one on the page: later ones were not seen.

    `recent` are the `recent_ids` of the page. A transaction can store a row with a lower number
    after the page was read: a recent row counts only if the page had it. None: all rows count.
    """
    rows = notifications.filter(pk__lte=newest.pk)
    if recent is None:
        return rows
    is_old = Q(created_at__lt=newest.created_at - _COMMITTED_AFTER)
    return rows.filter(is_old | Q(pk=newest.pk) | Q(public_id__in=recent))


# --- The e-mail


def rows_of_email(first: Notification, *, email_id: str) -> list[Notification]:
    """The rows that the e-mail contains: the unread ones of the person in the tenant.

    Each row is in one e-mail: two workers at once claim different ones, and a repeated attempt with
    the same `email_id` contains those of the first one. Empty for a person without access.
    """
    mine = Notification.objects.filter(recipient=first.recipient, tenant=first.tenant)
    unsent = mine.filter(read_at=None, email_id="").exclude(kind__in=_OWN_EMAIL)
    unsent.update(email_id=email_id)
    if role_in(first.recipient, first.tenant) is None:
        return []
    rows = notifications_of(first.recipient).filter(tenant=first.tenant, email_id=email_id)
    return list(rows.filter(read_at=None).order_by("created_at", "pk"))


# --- Cleaning


def tenants_with_notifications() -> list[int]:
    rows = Notification.objects.order_by("tenant_id").values_list("tenant_id", flat=True)
    return list(rows.distinct())


def clean(tenant: Tenant, *, now: datetime) -> None:
    """Delete the old rows of a tenant, and those of people who have lost their access."""
    rows = Notification.objects.filter(tenant=tenant)
    rows.filter(created_at__lt=now - timedelta(days=settings.NOTIFICATION_DAYS)).delete()
    for person in User.objects.filter(pk__in=rows.order_by().values("recipient")):
        role = role_in(person, tenant)
        if role is None:
            rows.filter(recipient=person).delete()
        elif not role.is_staff:
            rows.filter(recipient=person, is_internal=True).delete()


def delete_of(user: User, tenant: Tenant) -> None:
    """Delete the rows of a person who is removed from a tenant."""
    Notification.objects.filter(recipient=user, tenant=tenant).delete()
