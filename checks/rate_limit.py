"""Permission and rate limit for connections to hosts: consent first, then two connections a minute.

Mail hosts allow strangers about two connections a minute and treat more as an attack. The database
counts, so the limit covers all tenants, workers and vantages together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.models import Check, HostAnswer, ProbeSlot
from tenants.models import Domain

# A run connects once, and a second time when the certificate is not trusted. Runs at this distance
# make at most two connections in any sixty seconds, however slow the first connection was.
MIN_PROBE_INTERVAL = timedelta(seconds=90)
SHARE_ANSWERS_FOR = timedelta(minutes=10)
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def missing_consent(checks: Iterable[Check]) -> set[int]:
    """Return the checks whose host must not be probed yet.

    A host may be probed after a consultant has confirmed the client's consent. A host below a
    domain with verified ownership in the same tenant needs no consent. A code that a client
    proposed proves nothing here: the client could have chosen the code, the record and the host.
    """
    asked = list(checks)
    passing = Check.objects.filter(
        tenant__in={check.tenant_id for check in asked},
        kind=CheckKind.OWNERSHIP,
        is_active=True,
        settled_verdict__in=(Verdict.PASS, Verdict.WARN),
    )
    own: dict[int, list[str]] = {}
    for proof in passing.select_related("domain"):
        if proof.domain is not None and _proves_ownership(proof, proof.domain):
            own.setdefault(proof.tenant_id, []).append(proof.domain.name)
    return {check.pk for check in asked if not _has_consent(check, own.get(check.tenant_id, []))}


def _proves_ownership(proof: Check, domain: Domain) -> bool:
    """Whether the verdict is about the code that a consultant confirmed, and about nothing else."""
    confirmed = {"token": domain.ownership_token, "label": domain.ownership_label}
    return not proof.is_proposed and proof.expectation == confirmed


def _has_consent(check: Check, own: Sequence[str]) -> bool:
    host = check.host
    if host is None or host.consented_at is not None:
        return True
    return any(f".{host.name}".endswith(f".{domain}") for domain in own)


def reserve_slot(addresses: Sequence[str], port: int, *, now: datetime) -> datetime | None:
    """Reserve a slot at all addresses of a host for this run; None when reserved.

    If any address was used too recently, nothing is reserved, and the earliest possible time is
    returned. Safe with many workers.
    """
    with transaction.atomic():
        ProbeSlot.objects.bulk_create(
            [ProbeSlot(address=each, port=port, used_at=_NEVER) for each in addresses],
            ignore_conflicts=True,
        )
        # One order for all workers prevents a deadlock.
        slots = ProbeSlot.objects.select_for_update(no_key=True).filter(
            address__in=addresses, port=port
        )
        last = max(slot.used_at for slot in slots.order_by("address"))
        if last + MIN_PROBE_INTERVAL > now:
            return last + MIN_PROBE_INTERVAL
        ProbeSlot.objects.filter(address__in=addresses, port=port).update(used_at=now)
    return None


def shared_answer(check: Check, *, now: datetime) -> HostAnswer | None:
    """Return a recent answer to the same question, if it is newer than the check's own newest run.

    Empty for a check with a recipient: no other tenant has that question.
    """
    if recipient_of(check):
        return None
    return HostAnswer.objects.filter(
        **_question(check),
        answered_at__gt=max(now - SHARE_ANSWERS_FOR, check.checked_at or _NEVER),
    ).first()


def store_shared_answer(check: Check, outcome: Outcome, *, at: datetime) -> None:
    """Share this answer. It contains only public facts about the host, and never a recipient."""
    assert not recipient_of(check), "an answer about a recipient is its tenant's alone"
    # Delete expired answers at once: the tenant of the host may be erased within the hour.
    HostAnswer.objects.filter(answered_at__lte=at - SHARE_ANSWERS_FOR).delete()
    ProbeSlot.objects.filter(used_at__lte=at - SHARE_ANSWERS_FOR).delete()
    HostAnswer.objects.update_or_create(
        **_question(check),
        defaults={
            "answered_at": at,
            "verdict": outcome.verdict.value,
            "unanimous": outcome.unanimous,
            "findings": [{"code": f.code, "params": dict(f.params)} for f in outcome.findings],
            "evidence": dict(outcome.evidence),
            "raw": dict(outcome.raw or {}),
        },
    )


def recipient_of(check: Check) -> str:
    """The recipient address in the question of the check, if any."""
    return str(check.expectation.get("recipient", ""))


def outcome_of(answer: HostAnswer, check: Check) -> Outcome:
    return Outcome(
        kind=CheckKind(check.kind),
        subject=check.subject,
        verdict=Verdict(answer.verdict),
        findings=tuple(Finding(found["code"], found["params"]) for found in answer.findings),
        evidence=answer.evidence,
        unanimous=answer.unanimous,
        raw=answer.raw,
    )


def _question(check: Check) -> dict[str, Any]:
    assert check.host is not None
    return {
        "kind": check.kind,
        "host": check.host.name,
        "port": check.host.port,
        "vantage": check.vantage,
    }
