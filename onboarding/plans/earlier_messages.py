"""The judged messages of a check whose text a person can edit, before its newest one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models.fields.json import KT
from django.utils.dateparse import parse_datetime

from checks.engine.outcomes import UNVERIFIED_KINDS, CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.plans.proof import SubjectKey, observed_switch
from onboarding.plans.received_messages import ReceivedMessage


def earlier_messages(
    checks: Iterable[Check], by_subject: Mapping[SubjectKey, Check]
) -> dict[int, tuple[ReceivedMessage, ...]]:
    """The earlier messages by check id, newest first, of the checks whose newest one ends nothing.

    One query, and none if the newest message of each check passes and counts.
    """
    asked = {check.pk: check for check in checks if _needs_earlier(check, by_subject)}
    if not asked:
        return {}
    rows = Observation.objects.filter(check_asked__in=asked).exclude(
        pk__in=[check.latest_id for check in asked.values()]
    )
    rows = rows.annotate(received_text=KT("evidence__message__received_at"))
    seen = {(check.pk, check.latest.raw_id) for check in asked.values() if check.latest}
    found: dict[int, list[ReceivedMessage]] = {pk: [] for pk in asked}
    fields = ("check_asked_id", "raw_id", "verdict", "findings", "received_text")
    for pk, raw_id, verdict, findings, text in rows.values_list(*fields):
        # Newer rules have judged the same message again: the earlier verdict is void.
        if raw_id is not None and (pk, raw_id) in seen:
            continue
        seen.add((pk, raw_id))
        codes = frozenset(each["code"] for each in findings)
        received_at = parse_datetime(text) if text else None
        found[pk].append(ReceivedMessage(Verdict(verdict), codes, received_at))
    return {pk: tuple(messages) for pk, messages in found.items()}


def _needs_earlier(check: Check, by_subject: Mapping[SubjectKey, Check]) -> bool:
    if check.kind not in UNVERIFIED_KINDS or check.latest is None:
        return False
    if not Verdict(check.latest.verdict).is_passing:
        return True
    switched_at = observed_switch(by_subject.get((CheckKind.MX.value, check.domain_id, None)))
    return switched_at is not None and not _is_since(switched_at, check.received_at)


def _is_since(switched_at: datetime, received_at: datetime | None) -> bool:
    return received_at is not None and received_at >= switched_at.replace(microsecond=0)
