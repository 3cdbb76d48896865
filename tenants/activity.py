"""The activity log: appends a line to the chain of hashes, and checks the chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from tenants.activity_names import ActivityName
from tenants.models import ActivityChain, ActivityLine, Tenant, User
from tenants.request_context import current_request_origin


def lock_chain(tenant: Tenant) -> None:
    """Lock the chain of the tenant's log before the plan, for a transaction that logs later."""
    _lock_scope(tenant.public_id)


def _lock_scope(scope: str) -> ActivityChain:
    chain, _ = ActivityChain.objects.select_for_update(no_key=True).get_or_create(scope=scope)
    return chain


def add_line(
    tenant: Tenant | None, action: ActivityName, *, by: User | None, params: dict[str, Any]
) -> ActivityLine:
    """Append a line to the tenant's log, or to the installation's if `tenant` is None.

    The row of the chain is locked until the transaction ends, so the lines have the order of the
    commits. Lock the logged rows first: in another order two transactions can deadlock.
    """
    # A misspelt name could never be corrected: the hash covers it, and lines are append-only.
    if not isinstance(action, ActivityName):
        raise TypeError(f"{action!r} is not a member of ActivityName")
    scope = tenant.public_id if tenant is not None else ActivityChain.INSTALLATION
    origin = current_request_origin()
    # No savepoint of its own: an error here rolls back the transaction of the logged change.
    with transaction.atomic(savepoint=False):
        chain = _lock_scope(scope)
        line = ActivityLine(
            tenant=tenant,
            scope=scope,
            number=chain.length + 1,
            at=timezone.now(),
            actor=by,
            action=action.value,
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
    """SHA-256 as hex, over the stored content of a line and the hash of the previous line."""
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
    """The result of one log's check. `fault` is a sentence without a full stop, or empty."""

    scope: str
    length: int
    head: str
    fault: str = ""


def verify_logs() -> Iterator[LogReport]:
    """Check every log from its first line to its head, and find lines outside every chain."""
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
    return "" if before == chain.head else "its last line differs from the chain’s head"
