"""Compare the entries of tenants with their last published state, and number the changes.

1. A request of a feed compares the entries of each tenant whose plan has another revision since
   the last request, and once a day. A changed answer of a server raises the revision.
2. A changed entry receives the next sequence number, and an entry without a source is cancelled.
3. Two requests at the same time store one change: the update names the former number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from onboarding.calendar_feeds.facts import EntryFacts, common_entries, entries_of
from onboarding.calendar_feeds.ical import event_bytes
from onboarding.models import CalendarEntry, Freeze
from tenants.models import Tenant

# A cancelled entry stays in the feeds for this time, so that every program removes it.
CANCELLED_FOR = timedelta(days=30)
_CACHED_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Published:
    """An entry as the feeds publish it. `starts` and `ends` are in ISO 8601."""

    uid: str
    kind: str
    ends: str
    people: Sequence[str]
    changed_at: datetime
    event: bytes


def published_entries(
    tenants: Sequence[Tenant], *, site: str, now: datetime
) -> dict[int | None, list[Published]]:
    """The entries of each tenant by its id, and those of all tenants under None.

    The tenants are loaded with their plans. No query for a tenant without a change.
    """
    keys = {tenant.pk: _key(tenant, site, now) for tenant in tenants}
    stored = cache.get_many(keys.values())
    found: dict[int | None, list[Published]] = {
        pk: stored[key] for pk, key in keys.items() if key in stored
    }
    for tenant in tenants:
        if tenant.pk not in found:
            found[tenant.pk] = _publish(tenant, entries_of(tenant, now=now), site=site, now=now)
            cache.set(keys[tenant.pk], found[tenant.pk], _CACHED_SECONDS)
    found[None] = _common(site=site, now=now)
    return found


def _common(*, site: str, now: datetime) -> list[Published]:
    freezes = list(Freeze.objects.filter(tenant=None).values_list("pk", "first_day", "last_day"))
    key = _hashed("common", freezes, site, now.date())
    found: list[Published] | None = cache.get(key)
    if found is None:
        found = _publish(None, common_entries(), site=site, now=now)
        cache.set(key, found, _CACHED_SECONDS)
    return found


def _key(tenant: Tenant, site: str, now: datetime) -> str:
    plan = tenant.plan
    return _hashed(tenant.pk, tenant.name, tenant.closed_at, plan.revision, site, now.date())


def _hashed(*facts: object) -> str:
    text = repr([settings.VERSION, *facts])
    return f"calendar:{hashlib.sha256(text.encode()).hexdigest()}"


def _publish(
    tenant: Tenant | None, entries: Sequence[EntryFacts], *, site: str, now: datetime
) -> list[Published]:
    with transaction.atomic():
        _store(tenant, entries, now=now.replace(microsecond=0))
        rows = CalendarEntry.objects.filter(tenant=tenant).order_by("uid")
        rows.filter(cancelled_at__lt=now - CANCELLED_FOR).delete()
        return [_published(row, site) for row in rows]


def _store(tenant: Tenant | None, entries: Iterable[EntryFacts], *, now: datetime) -> None:
    before = {row.uid: row for row in CalendarEntry.objects.filter(tenant=tenant)}
    current = {entry.uid: entry.values for entry in entries}
    CalendarEntry.objects.bulk_create(
        [
            CalendarEntry(tenant=tenant, uid=uid, values=values, changed_at=now)
            for uid, values in current.items()
            if uid not in before
        ],
        ignore_conflicts=True,
    )
    for uid, row in before.items():
        values = current.get(uid)
        if values is None and row.cancelled_at is None:
            _change(row, cancelled_at=now, changed_at=now)
        elif values is not None and (row.cancelled_at is not None or row.values != values):
            _change(row, cancelled_at=None, changed_at=now, values=values)


def _change(row: CalendarEntry, **columns: object) -> None:
    """Store the next state, unless another request has stored one since it was read."""
    same = CalendarEntry.objects.filter(pk=row.pk, sequence=row.sequence)
    same.update(sequence=row.sequence + 1, **columns)


def _published(row: CalendarEntry, site: str) -> Published:
    event = event_bytes(
        row.uid,
        row.values,
        sequence=row.sequence,
        changed_at=row.changed_at,
        is_cancelled=row.cancelled_at is not None,
        site=site,
    )
    values = row.values
    return Published(
        row.uid, values["kind"], values["ends"], values["people"], row.changed_at, event
    )
