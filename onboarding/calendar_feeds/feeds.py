"""Create, revoke, find and write calendar feeds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from onboarding.calendar_feeds.entries import Published, published_entries
from onboarding.calendar_feeds.facts import EntryKind, entry_uid
from onboarding.calendar_feeds.ical import calendar_bytes
from onboarding.errors import OnboardingError
from onboarding.models import CalendarFeed, Cutover
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.permissions import Permission, may, role_in, staff_role_of
from tenants.queries import open_tenants_for, tenants_for
from tenants.services import lock_people, write_activity
from tenants.tokens import LinkPurpose, LinkState, digest_of, issue_token

# A feed contains entries that ended at most so long ago.
PAST = timedelta(days=90)
MOST_FEEDS = 50
_USED_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class FeedFile:
    """The content of a feed, with the values that a program sends to request it again."""

    content: bytes
    etag: str
    changed_at: datetime | None


def create_feed(
    scope: CalendarFeed.Scope, *, tenant: Tenant | None, site: str, by: User
) -> tuple[CalendarFeed, str]:
    """A feed and its token. Only the hash of the token is stored.

    Raises OnboardingError for a scope that the person may not see, and for too many feeds.
    """
    if scope == CalendarFeed.Scope.TENANT and tenant is None:
        raise OnboardingError("Choose a tenant.")
    issued = issue_token(LinkPurpose.CALENDAR_FEED)
    feed = CalendarFeed(
        owner=by,
        scope=scope,
        tenant=tenant if scope == CalendarFeed.Scope.TENANT else None,
        token_hash=issued.digest,
        site=site,
    )
    if not may_still_see(feed):
        raise OnboardingError("You may not see this calendar.")
    with transaction.atomic():
        lock_people([by.pk])
        if feeds_of(by).count() >= MOST_FEEDS:
            raise OnboardingError(f"You have {MOST_FEEDS} feeds. Revoke one first.")
        feed.save()
        _log(feed, ActivityName.CALENDAR_FEED_CREATED)
    return feed, issued.token


def feeds_of(person: User) -> QuerySet[CalendarFeed]:
    """The feeds of a person that are not revoked, newest first."""
    return CalendarFeed.objects.filter(owner=person, revoked_at=None).select_related("tenant")


def revoke_feed(feed: CalendarFeed) -> None:
    """Revoke the feed from the next request on. Idempotent."""
    with transaction.atomic():
        rows = CalendarFeed.objects.filter(pk=feed.pk, revoked_at=None)
        if rows.update(revoked_at=database_time.now()):
            _log(feed, ActivityName.CALENDAR_FEED_REVOKED)


def find(token: str) -> tuple[LinkState, CalendarFeed | None]:
    """The state of the feed with this token, and the feed itself while it is valid."""
    digest = digest_of(token, LinkPurpose.CALENDAR_FEED)
    rows = CalendarFeed.objects.select_related("owner", "tenant__plan")
    feed = rows.filter(token_hash=digest).first() if digest else None
    if feed is None:
        return LinkState.UNKNOWN, None
    if feed.revoked_at is not None or not may_still_see(feed):
        return LinkState.REVOKED, feed
    return LinkState.OPEN, feed


def may_still_see(feed: CalendarFeed) -> bool:
    """Whether the owner has the right now. A feed does not outlive it."""
    owner, tenant = feed.owner, feed.tenant
    if tenant is not None:
        return may(role_in(owner, tenant), Permission.VIEW, is_closed=tenant.is_closed)
    if feed.scope == CalendarFeed.Scope.TEAM:
        return may(staff_role_of(owner), Permission.VIEW_DASHBOARD)
    return owner.is_active


def file_of(feed: CalendarFeed, *, now: datetime) -> FeedFile:
    """The iCalendar file of a feed. Its etag is the digest of its content."""
    tenants = _tenants_of(feed)
    entries = published_entries(tenants, site=feed.site, now=now)
    since = (now - PAST).date().isoformat()
    chosen = [each for each in _chosen(feed, tenants, entries) if each.ends >= since]
    content = calendar_bytes(f"Gangway: {feed}", [each.event for each in chosen])
    changed_at = max((each.changed_at for each in chosen), default=None)
    return FeedFile(content, f'"{hashlib.sha256(content).hexdigest()}"', changed_at)


def cutover_file(cutover: Cutover, tenant: Tenant, *, site: str, now: datetime) -> bytes:
    """An iCalendar file with the window of one cutover.

    A program that also reads a feed recognises the entry by its UID, and updates it.
    """
    entries = published_entries([tenant], site=site, now=now)[tenant.pk]
    uid = entry_uid(EntryKind.CUTOVER, cutover.public_id)
    events = [each.event for each in entries if each.uid == uid]
    return calendar_bytes(f"{cutover}: {tenant}", events)


def _tenants_of(feed: CalendarFeed) -> list[Tenant]:
    if feed.tenant is not None:
        return [feed.tenant]
    if feed.scope == CalendarFeed.Scope.TEAM:
        return list(open_tenants_for(feed.owner).select_related("plan"))
    return list(_tenants_of_person(feed.owner).select_related("plan").distinct())


def _tenants_of_person(person: User) -> QuerySet[Tenant]:
    """The open tenants that a person leads, belongs to, or has a task or a cutover in."""
    cutovers = "plan__cutovers__"
    return (
        tenants_for(person)
        .filter(closed_at=None)
        .filter(
            Q(consultant=person)
            | Q(memberships__user=person)
            | Q(plan__tasks__assignee=person)
            | Q(**{f"{cutovers}on_call__user": person})
            | Q(**{f"{cutovers}mimecast_approver": person})
            | Q(**{f"{cutovers}client_approver": person})
        )
    )


def _chosen(
    feed: CalendarFeed,
    tenants: Sequence[Tenant],
    entries: dict[int | None, list[Published]],
) -> Iterator[Published]:
    yield from entries[None]
    if feed.scope != CalendarFeed.Scope.OWN:
        for tenant in tenants:
            yield from entries[tenant.pk]
        return
    person = feed.owner
    memberships = set(person.memberships.values_list("tenant", flat=True))
    for tenant in tenants:
        is_own = tenant.consultant_id == person.pk or tenant.pk in memberships
        for each in entries[tenant.pk]:
            is_due_date = each.kind == EntryKind.DUE_DATE
            if person.public_id in each.people or (is_own and not is_due_date):
                yield each


def note_use(feed: CalendarFeed, *, now: datetime) -> None:
    """Store the time of the last use, at most once an hour."""
    if feed.used_at is None or feed.used_at < now - _USED_EVERY:
        CalendarFeed.objects.filter(pk=feed.pk).update(used_at=now)


def _log(feed: CalendarFeed, action: ActivityName) -> None:
    """A line of the tenant's log, or of the audit log."""
    write_activity(feed.tenant, action, by=feed.owner, feed=str(feed))
