"""The activity log: adding a line to its chain, and proving that none was altered or removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from tenants.models import ActivityChain, ActivityLine, Tenant, User
from tenants.request_context import current_request_origin


def add_line(
    tenant: Tenant | None, action: str, *, by: User | None, params: dict[str, Any]
) -> ActivityLine:
    """Add a line at the end of the tenant's log, or of the installation's without a tenant.

    The chain's row is held until the transaction ends, so that lines stand in the order of commits.
    Call it after taking the locks on what is logged, or two transactions may wait for each other.
    """
    scope = tenant.public_id if tenant is not None else ActivityChain.INSTALLATION
    origin = current_request_origin()
    # No savepoint of its own: an error here rolls back the transaction of the logged change.
    with transaction.atomic(savepoint=False):
        chain, _ = ActivityChain.objects.select_for_update().get_or_create(scope=scope)
        line = ActivityLine(
            tenant=tenant,
            scope=scope,
            number=chain.length + 1,
            at=timezone.now(),
            actor=by,
            action=action,
            params=params,
            address=origin.address,
            agent=origin.agent,
            previous_hash=chain.head,
        )
        line.hash = hash_of(line)
        line.save(force_insert=True)
        chain.length, chain.head = line.number, line.hash
        chain.save(update_fields=["length", "head"])
    return line


def hash_of(line: ActivityLine) -> str:
    """SHA-256 over everything a line says and the hash of the line before it."""
    content = [
        line.scope,
        line.number,
        line.at.isoformat(),
        line.actor.public_id if line.actor is not None else "",
        line.action,
        line.params,
        line.address,
        line.agent,
        line.previous_hash,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class LogReport:
    """What checking one log came to; `fault` is empty when nothing is wrong."""

    scope: str
    length: int
    head: str
    fault: str = ""


def verify_logs() -> Iterator[LogReport]:
    """Check every log from its first line to its head, and that none lies outside a chain."""
    chains = {chain.scope: chain for chain in ActivityChain.objects.order_by("pk")}
    scopes = set(ActivityLine.objects.order_by().values_list("scope", flat=True).distinct())
    for chain in chains.values():
        lines = ActivityLine.objects.filter(scope=chain.scope).select_related("actor")
        fault = _fault(chain, lines.order_by("number").iterator(chunk_size=1000))
        yield LogReport(chain.scope, chain.length, chain.head, fault)
    for scope in sorted(scopes - set(chains)):
        yield LogReport(scope, 0, "", "its lines belong to no chain")


def _fault(chain: ActivityChain, lines: Iterable[ActivityLine]) -> str:
    before, number = "", 0
    for line in lines:
        number += 1
        if line.number != number:
            return f"line {number} is missing"
        if line.previous_hash != before or line.hash != hash_of(line):
            return f"line {number} of {line.at:%Y-%m-%d %H:%M} was altered"
        before = line.hash
    if number != chain.length:
        return f"line {number + 1} is missing: there were {chain.length}"
    return "" if before == chain.head else "its last line is not the one that was written"
