"""The webhook event of a new settled verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import prefetch_related_objects

from checks.check_state import CheckState
from checks.models import Check
from tenants.models import WebhookEvent
from tenants.webhooks.events import TenantEvent, add_events, are_wanted, utc_text


@dataclass(frozen=True)
class NewlySettled:
    """A check whose settled verdict changes, with the verdict before. It may have had none."""

    check: Check
    verdict: str
    previous: str
    at: datetime | None


def newly_settled(states: Iterable[tuple[Check, CheckState]]) -> list[NewlySettled]:
    """The changed settled verdicts. Call it before the checks receive their new states."""
    found = []
    for check, state in states:
        before, after = check.settled.verdict, state.settled.verdict
        if after is not None and after is not before:
            previous = before.value if before is not None else ""
            found.append(NewlySettled(check, after.value, previous, state.settled_at))
    return found


def add_settled_events(settled: Sequence[NewlySettled]) -> None:
    """Store the events, in the transaction of the run. One query without a webhook."""
    if not settled or not are_wanted({each.check.tenant_id for each in settled}):
        return
    prefetch_related_objects([each.check for each in settled], "domain", "host")
    kind = WebhookEvent.VERDICT_SETTLED
    add_events([TenantEvent(kind, each.check.tenant_id, _data(each)) for each in settled])


def _data(settled: NewlySettled) -> dict[str, Any]:
    check = settled.check
    return {
        "check": {"id": check.public_id, "kind": check.kind, "subject": check.subject},
        "verdict": settled.verdict,
        "previous": settled.previous,
        "settled_at": utc_text(settled.at) if settled.at is not None else "",
    }
