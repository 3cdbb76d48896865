"""The rows of lists of tenants, computed once for each revision of a plan.

A row is a derived copy of the facts of one tenant. Its key contains every fact of the tenant
itself, the revision of its plan, which each visible change raises, and the version of Gangway. A
row also expires at the next time at which it changes with time alone, and after an hour at the
latest.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Sum

from onboarding.models import Freeze, Holiday, Plan
from tenants import database_time
from tenants.models import Tenant, User

# The bound for facts without a revision, such as the measured durations of other tenants.
LONGEST = timedelta(hours=1)
OVERVIEW_SECONDS = 30
_jitter = random.SystemRandom()


@dataclass(frozen=True)
class CachedRow:
    """The HTML of a row, its cells for a CSV file, and the time from which both may be wrong."""

    html: str
    cells: Sequence[str]
    valid_until: datetime


Overview = TypeVar("Overview")
Compute = Callable[[list[Tenant]], Mapping[int, CachedRow]]


def cached_rows(kind: str, tenants: Sequence[Tenant], compute: Compute) -> list[CachedRow]:
    """The row of each tenant, in their order. `compute` is called for the missing rows, at once.

    The tenants must be loaded with plan and consultant.
    """
    now = database_time.now()
    common = _common_facts()
    keys = {tenant.pk: _key(kind, tenant, common) for tenant in tenants}
    stored: dict[str, CachedRow] = cache.get_many(keys.values()) if not settings.DEBUG else {}
    # Redis expires by its own clock, and a test may have moved ours.
    found = {
        pk: row for pk, key in keys.items() if (row := stored.get(key)) and _is_valid(row, now)
    }
    missing = [tenant for tenant in tenants if tenant.pk not in found]
    if missing:
        made = compute(missing)
        for tenant in missing:
            row = found[tenant.pk] = made[tenant.pk]
            seconds = min(row.valid_until - now, LONGEST * _jitter.uniform(0.75, 1)).total_seconds()
            if seconds >= 1:
                cache.set(keys[tenant.pk], row, timeout=seconds)
    return [found[tenant.pk] for tenant in tenants]


def cached_overview(
    user: User, compute: Callable[[], Overview], *, kind: str = "dashboard", revision: str = ""
) -> Overview:
    """The figures about the tenants of a member of staff, computed once for each visible change.

    `revision`: a text that changes with every visible change of their tenants. By default the sum
    of the revisions of all plans. Changes with time alone appear after `OVERVIEW_SECONDS`.
    """
    if settings.DEBUG or not user.is_mimecast:
        return compute()
    followed = sorted(person.pk for person in user.followed_consultants.all())
    changes = revision or Plan.objects.aggregate(plans=Count("pk"), revisions=Sum("revision"))
    # A page names the consultants.
    staff = User.objects.exclude(staff_role=User.StaffRole.NONE).order_by("pk")
    names = list(staff.values_list("pk", "name"))
    facts = [settings.VERSION, kind, user.pk, user.staff_role, followed, changes, names]
    key = f"overview:{hashlib.sha256(repr(facts).encode()).hexdigest()}"
    found: Overview | None = cache.get(key)
    if found is None:
        found = compute()
        cache.set(key, found, timeout=OVERVIEW_SECONDS)
    return found


def _is_valid(row: CachedRow, now: datetime) -> bool:
    return row.valid_until > now


def _common_facts() -> list[Any]:
    """The facts of all tenants: days without work, by their newest rows and their numbers."""
    holidays = Holiday.objects.filter(tenant__isnull=True).values_list("pk", "day", "name")
    freezes = Freeze.objects.filter(tenant__isnull=True).values_list("pk", "first_day", "last_day")
    return [settings.VERSION, list(holidays), list(freezes)]


def _key(kind: str, tenant: Tenant, common: Sequence[Any]) -> str:
    consultant = tenant.consultant
    facts = [
        kind,
        common,
        [getattr(tenant, field.attname) for field in Tenant._meta.concrete_fields],
        tenant.plan.revision,
        # The stored figures belong to it, and change without a new revision.
        [tenant.plan.risks_revision, tenant.plan.risks_valid_until],
        consultant and [consultant.name, consultant.email, consultant.staff_role],
    ]
    return f"row:{hashlib.sha256(repr(facts).encode()).hexdigest()}"
