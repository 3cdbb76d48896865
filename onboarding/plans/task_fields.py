"""The typed fields of a task: their definitions, the entered values, and the missing ones.

The plan template declares the fields (`fields:`), and each task of a plan has a copy. A required
field must have a value before the task can be confirmed, for each domain if it is per domain.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.utils.dateparse import parse_datetime

from checks.models import SendingPlatform
from onboarding.errors import OnboardingError
from onboarding.models import Task
from onboarding.plans.recorded_facts import RECORDED_FACTS
from tenants import database_time
from tenants.models import Domain, Platform, Tenant

LONGEST_TEXT = 500
LARGEST_NUMBER = 10_000_000
# An event of an implementation can precede the plan in Gangway by so much at most.
EARLIEST_EVENT = timedelta(days=366)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)


class FieldType(StrEnum):
    DATE = "date"
    PEOPLE = "people"
    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"
    FILE = "file"
    # A fact that another page of Gangway stores.
    FACT = "fact"


class FieldError(OnboardingError):
    """The value of a field is invalid. The message is a sentence for the form."""


@dataclass(frozen=True)
class FieldDefinition:
    """One field of a task.

    `countdown_days` counts from a date: the page shows the end and the days left. `at_most` is the
    key of a number that this one should not exceed, and `at_least` the smallest accepted number.
    `profile` is the tenant's column that stores the value, where the profile has it already. `fact`
    is the key of the recorded fact that the task requires, and `not_before_safe_time` marks a date
    that must not precede the safe time of the task. `sends` marks the choice of the halves of a
    hybrid system that send: no other system has the field.
    """

    key: str
    label: str
    type: FieldType
    help: str = ""
    required: bool = True
    choices: tuple[str, ...] = ()
    per_domain: bool = False
    countdown_days: int | None = None
    countdown_label: str = ""
    at_most: str = ""
    at_least: int | None = None
    profile: str = ""
    fact: str = ""
    not_before_safe_time: bool = False
    sends: bool = False

    @property
    def is_read_only(self) -> bool:
        """Whether the form of the task does not store the value."""
        return self.type in (FieldType.FILE, FieldType.FACT)

    def as_data(self) -> dict[str, Any]:
        """The definition as JSON data, without its empty parts."""
        data = asdict(self) | {"type": self.type.value, "choices": list(self.choices)}
        always = ("key", "label", "type", "required")
        return {
            name: value
            for name, value in data.items()
            if name in always or not (value is False or value in ("", None, []))
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> FieldDefinition:
        return cls(
            **{
                **data,
                "type": FieldType(data["type"]),
                "choices": tuple(data.get("choices", ())),
            }
        )


def definitions_of(task: Task) -> tuple[FieldDefinition, ...]:
    return tuple(FieldDefinition.from_data(data) for data in task.fields)


def read_value(definition: FieldDefinition, text: str) -> Any:
    """The typed text as the JSON value to store; None for an empty text. Raises FieldError."""
    typed = text.strip()
    if not typed:
        return None
    return _READERS[definition.type](definition, typed)


def _read_date(definition: FieldDefinition, text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise FieldError("Enter a date such as 2026-11-23.") from None
    if not _EARLIEST <= day < _LATEST:
        raise FieldError(f"{day} is not plausible. Enter a date between 2000 and 2099.")
    return day.isoformat()


def refuse_early_date(definition: FieldDefinition, value: Any, tenant: Tenant) -> None:
    """Raise FieldError for an event long before the plan. The day of an expiry is no event."""
    if definition.type is not FieldType.DATE or definition.countdown_days == 0 or not value:
        return
    earliest = tenant.created_at.date() - EARLIEST_EVENT
    if date.fromisoformat(value) < earliest:
        raise FieldError(
            f"{value} is not plausible: it is more than a year before this plan. Enter the day of"
            " this implementation."
        )


def _read_people(definition: FieldDefinition, text: str) -> list[str]:
    names = [" ".join(line.split()) for line in text.replace(";", "\n").splitlines()]
    people = list(dict.fromkeys(name for name in names if name))
    if sum(map(len, people)) > LONGEST_TEXT:
        raise FieldError(f"Enter at most {LONGEST_TEXT} characters in all.")
    return people


def _read_number(definition: FieldDefinition, text: str) -> int:
    # A thousands separator is part of a copied figure.
    digits = text.replace(" ", "").replace("\u00a0", "").replace(",", "").replace("’", "")
    if not (digits.isascii() and digits.isdigit()):
        raise FieldError("Enter a whole number, such as 250.")
    number = int(digits[:12])
    if number > LARGEST_NUMBER:
        raise FieldError(f"Enter a number of at most {LARGEST_NUMBER:,}.")
    if definition.at_least is not None and number < definition.at_least:
        raise FieldError(f"Enter a number of at least {definition.at_least:,}.")
    return number


def _read_choice(definition: FieldDefinition, text: str) -> str:
    if text not in definition.choices:
        raise FieldError(f"Choose one of: {', '.join(definition.choices)}.")
    return text


def _read_text(definition: FieldDefinition, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise FieldError(f"Enter at most {LONGEST_TEXT} characters. You entered {len(text)}.")
    return text


def _read_file(definition: FieldDefinition, text: str) -> str:
    raise FieldError("Attach the file to the task as evidence.")


def _read_fact(definition: FieldDefinition, text: str) -> str:
    raise FieldError(RECORDED_FACTS[definition.fact].missing)


_READERS = {
    FieldType.DATE: _read_date,
    FieldType.PEOPLE: _read_people,
    FieldType.NUMBER: _read_number,
    FieldType.CHOICE: _read_choice,
    FieldType.TEXT: _read_text,
    FieldType.FILE: _read_file,
    FieldType.FACT: _read_fact,
}


def text_of(definition: FieldDefinition, value: Any) -> str:
    """The stored value as the form shows it; `read_value` accepts it again."""
    if value is None:
        return ""
    return "\n".join(value) if definition.type is FieldType.PEOPLE else str(value)


# --- The fields of a task on a page


@dataclass(frozen=True)
class FieldRow:
    """One field of a task on a page, for one domain if it is per domain.

    `today` is the day at the client; None where no transition depends on the row.
    """

    definition: FieldDefinition
    domain: Domain | None
    value: Any
    saved_by: str = ""
    saved_at: datetime | None = None
    today: date | None = None

    @property
    def name(self) -> str:
        """The name of its form field."""
        return field_name(self.definition, self.domain)

    @property
    def label(self) -> str:
        return f"{self.definition.label}: {self.domain}" if self.domain else self.definition.label

    @property
    def text(self) -> str:
        return text_of(self.definition, self.value)

    @property
    def is_missing(self) -> bool:
        least = self.definition.at_least
        is_too_small = least is not None and isinstance(self.value, int) and self.value < least
        return self.definition.required and (self.value in (None, "", []) or is_too_small)

    @property
    def missing_text(self) -> str:
        """Who enters a missing fact where; empty for a value that the form of the task stores."""
        fact = self.definition.fact
        return RECORDED_FACTS[fact].missing if fact and self.is_missing else ""

    @property
    def is_ahead(self) -> bool:
        """Whether the day of an event is still ahead. The day of an expiry may be."""
        is_event = self.definition.type is FieldType.DATE and self.definition.countdown_days != 0
        if not is_event or not self.value or self.today is None:
            return False
        return date.fromisoformat(self.value) > self.today

    def is_before(self, safe_on: date) -> bool:
        """Whether the day must not precede the safe time, and does."""
        if not self.definition.not_before_safe_time or not self.value:
            return False
        return date.fromisoformat(self.value) < safe_on

    @property
    def ends_on(self) -> date | None:
        """The end of the countdown; None without a countdown or a date."""
        days = self.definition.countdown_days
        if days is None or not self.value:
            return None
        return date.fromisoformat(self.value) + timedelta(days=days)


def today_for(tenant: Tenant) -> date:
    """The day at the client."""
    return database_time.now().astimezone(zoneinfo.ZoneInfo(tenant.time_zone)).date()


def has_fields(task: Task, tenant: Tenant) -> bool:
    """Whether a field of the task applies to the mail platform of the tenant."""
    return any(not data.get("sends") or tenant.platform == Platform.HYBRID for data in task.fields)


def is_asked_per_domain(task: Task) -> bool:
    """Whether a field of the task has a value for each domain."""
    return any(data.get("per_domain") for data in task.fields)


def field_name(definition: FieldDefinition, domain: Domain | None) -> str:
    return definition.key + (f".{domain.public_id}" if domain is not None else "")


def rows_for(
    task: Task,
    tenant: Tenant,
    domains: Collection[Domain],
    *,
    has_file: bool,
    today: date | None = None,
) -> tuple[FieldRow, ...]:
    """The fields of a task in the template's order, for each domain in its scope where they are
    per domain.

    `domains` are those of the tenant that are not exempt. `has_file`: whether evidence is attached.
    """
    scope = [domain for domain in domains if domain.role in task.domain_roles]
    return tuple(
        replace(_row(task, tenant, definition, domain, has_file=has_file), today=today)
        for definition in definitions_of(task)
        if not definition.sends or tenant.platform == Platform.HYBRID
        for domain in (scope if definition.per_domain else [None])
    )


def _row(
    task: Task,
    tenant: Tenant,
    definition: FieldDefinition,
    domain: Domain | None,
    *,
    has_file: bool,
) -> FieldRow:
    if definition.profile:
        return FieldRow(definition, domain, getattr(tenant, definition.profile) or None)
    if definition.type is FieldType.FILE:
        return FieldRow(definition, domain, "attached" if has_file else None)
    if definition.type is FieldType.FACT:
        return FieldRow(definition, domain, RECORDED_FACTS[definition.fact].read(tenant) or None)
    stored = task.field_values.get(field_name(definition, domain))
    if stored is None:
        return FieldRow(definition, domain, None)
    return FieldRow(definition, domain, stored["value"], stored["by"], parse_datetime(stored["at"]))


# The choices of a field with `sends`. The first one, the default, is both halves.
SENDING_CHOICES = ("Both", *(str(platform.label) for platform in SendingPlatform))


def sending_platforms(task: Task, domain: Domain) -> tuple[SendingPlatform, ...]:
    """The halves of a hybrid system that send mail of the domain; both without a choice."""
    for definition in definitions_of(task):
        if definition.sends:
            stored = task.field_values.get(field_name(definition, domain), {}).get("value")
            chosen = tuple(each for each in SendingPlatform if each.label == stored)
            return chosen or tuple(SendingPlatform)
    return tuple(SendingPlatform)


def missing_refusal(missing: Sequence[FieldRow]) -> str:
    """The sentence that names the missing values; empty without one. Facts that another page stores
    come after the values of the task's own form."""
    own = [row for row in missing if not row.missing_text]
    if not own:
        return f"“{missing[0].label}” is missing. {missing[0].missing_text}" if missing else ""
    named = " and ".join(f"“{row.label}”" for row in own[:2])
    more = f" and {len(own) - 2} more" if len(own) > 2 else ""
    is_file = all(row.definition.type is FieldType.FILE for row in own)
    return f"{'Attach' if is_file else 'Enter'} {named}{more} first."


def date_refusal(rows: Sequence[FieldRow], safe_on: date | None) -> str:
    """The sentence about an event that is ahead or too early; empty without one.

    A confirmation states that something happened, so its day cannot be ahead. A switch before its
    safe time is a risk that a consultant accepts. `safe_on` is None where no safe time is known.
    """
    ahead = [row for row in rows if row.is_ahead]
    if ahead:
        return f"“{ahead[0].label}” is in the future. Confirm the task when it is over."
    early = [row for row in rows if safe_on is not None and row.is_before(safe_on)]
    if not early:
        return ""
    return (
        f"“{early[0].label}” is before the safe time of this task, {safe_on:%a %-d %b %Y}. Correct"
        " the day. For an early switch, a consultant accepts the risk of this task."
    )


def cautions(rows: Sequence[FieldRow]) -> Iterator[str]:
    """A sentence for each number that exceeds the number it is compared with."""
    numbers = {row.definition.key: row for row in rows if row.domain is None}
    for row in numbers.values():
        limit = numbers.get(row.definition.at_most)
        if limit is None or row.value is None or limit.value is None:
            continue
        if row.value > limit.value:
            yield (
                f"{row.label}: {row.value:,} is {row.value - limit.value:,} more than"
                f" “{limit.label}” ({limit.value:,})."
            )
