"""Who entered the values of a tenant's profile, and when: the basis of their provenance.

The activity log has both, so no second record can differ from it.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tenants.activity_names import ActivityName
from tenants.models import ActivityLine, Tenant

UNKNOWN_PERSON = "Gangway"
_ACTIONS = (
    ActivityName.TENANT_CREATED,
    ActivityName.PROFILE_CHANGED,
    ActivityName.TASK_FIELDS_SET,
    ActivityName.SUBJECTS_ADDED,
    ActivityName.SUBJECTS_CHANGED,
    ActivityName.PROPOSAL_CONFIRMED,
)


@dataclass(frozen=True)
class ValueOrigin:
    """The person who entered a value, and the time."""

    by: str
    at: datetime


@dataclass
class ValueOrigins:
    """The newest entry of each field, domain and host of a tenant.

    `created` is the creation of the tenant, which entered every value without a later entry.
    """

    created: ValueOrigin
    fields: dict[str, ValueOrigin] = field(default_factory=dict)
    subjects: dict[str, ValueOrigin] = field(default_factory=dict)
    # By the text that a person entered in a field of a task.
    texts: dict[str, ValueOrigin] = field(default_factory=dict)

    def of_field(self, name: str, text: str = "") -> ValueOrigin:
        """The entry of a field of the profile. `text` is its value, which a task may have."""
        found = [each for each in (self.fields.get(name), self.texts.get(text)) if each]
        return max(found, key=lambda entry: entry.at, default=self.created)

    def of_subject(self, name: str) -> ValueOrigin:
        """The entry of a domain or a host."""
        return self.subjects.get(name, self.created)


def value_origins_of(tenant: Tenant) -> ValueOrigins:
    """The entries of a tenant's values. One query."""
    lines = ActivityLine.objects.filter(tenant=tenant, action__in=_ACTIONS).order_by("number")
    rows = lines.values_list("action", "params", "at", "actor__name")
    found = ValueOrigins(ValueOrigin(UNKNOWN_PERSON, tenant.created_at))
    for action, params, at, person in rows:
        _read(found, ActivityName(action), params, ValueOrigin(person or UNKNOWN_PERSON, at))
    return found


def _read(
    found: ValueOrigins, action: ActivityName, params: dict[str, Any], by: ValueOrigin
) -> None:
    match action:
        case ActivityName.TENANT_CREATED:
            found.created = by
        case ActivityName.PROFILE_CHANGED:
            found.fields.update(dict.fromkeys(params.get("changes", {}), by))
        case ActivityName.TASK_FIELDS_SET:
            found.texts.update({text: by for _, text in params.get("values", ()) if text})
        case ActivityName.PROPOSAL_CONFIRMED:
            # The subject of a host's proposal is the tenant, and its value the host.
            found.subjects.update({params.get(name, ""): by for name in ("subject", "value")})
        case _:
            found.subjects.update(dict.fromkeys(params.get("names", ()), by))


def entered_by(entries: Iterable[ValueOrigin], time_zone: str) -> str:
    """Such as “entered by Con Sultant, 24 Nov 2026”; with the last day for several entries."""
    known = list(dict.fromkeys(entries))
    if not known:
        return ""
    last = max(entry.at for entry in known).astimezone(zoneinfo.ZoneInfo(time_zone))
    people = list(dict.fromkeys(entry.by for entry in known))
    named = " and ".join([", ".join(people[:-1]), people[-1]] if people[1:] else people)
    days = {entry.at.astimezone(zoneinfo.ZoneInfo(time_zone)).date() for entry in known}
    return f"entered by {named}, {'last on ' if len(days) > 1 else ''}{last:%-d %b %Y}"
