"""The activity log: appends a line to the chain of hashes.

`tenants.log_verification` checks the chains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from tenants import database_time
from tenants.activity_names import (
    API_TOKEN,
    SCIM_TOKEN,
    ActivityName,
)
from tenants.commitments import PersonalValue, commit
from tenants.models import ActivityChain, ActivityLine, ErasableAddress, Tenant, User
from tenants.request_context import RequestOrigin, current_request_origin

HASH_VERSION = 2


def lock_chain(tenant: Tenant) -> None:
    """Lock the chain of the tenant's log before the plan, for a transaction that logs later."""
    _lock_scope(tenant.public_id)


def lock_chains(tenants: Iterable[Tenant]) -> None:
    """Lock the chains of several tenants' logs, by id, before the first of their lines."""
    for scope in sorted({tenant.public_id for tenant in tenants}):
        _lock_scope(scope)


def lock_installation_chain() -> None:
    """Lock the chain of the installation's log: the last lock of a transaction."""
    _lock_scope(ActivityChain.INSTALLATION)


def _lock_scope(scope: str) -> ActivityChain:
    chain, _ = ActivityChain.objects.select_for_update(no_key=True).get_or_create(scope=scope)
    return chain


def add_line(
    tenant: Tenant | None, action: ActivityName, *, by: User | None, params: dict[str, Any]
) -> ActivityLine:
    """Append a line to the tenant's log, or to the installation's if `tenant` is None.

    The row of the chain is locked until the transaction ends, so the lines have the order of the
    commits. Lock the logged rows first: in another order two transactions can deadlock.

    The installation's log contains commitments in place of addresses and names of people. Raises
    TypeError if the action is no ActivityName.
    """
    # A misspelt name could never be corrected: the hash covers it, and lines are append-only.
    if not isinstance(action, ActivityName):
        raise TypeError(f"{action!r} is not a member of ActivityName")
    scope = tenant.public_id if tenant is not None else ActivityChain.INSTALLATION
    origin = current_request_origin()
    params = params | _tokens_of(tenant, origin)
    personal: list[PersonalValue] = []
    if tenant is None:
        params, personal = commit(action, params)
    # No savepoint of its own: an error here rolls back the transaction of the logged change.
    with transaction.atomic(savepoint=False):
        chain = _lock_scope(scope)
        line = ActivityLine(
            tenant=tenant,
            scope=scope,
            number=chain.length + 1,
            at=database_time.now(),
            actor=by,
            action=action.value,
            params=params,
            address=origin.address,
            agent=origin.agent,
            previous_hash=chain.head,
            version=HASH_VERSION,
        )
        line.hash = hash_of(line)
        line.save(force_insert=True)
        chain.length, chain.head = line.number, line.hash
        chain.save(update_fields=["length", "head"])
        ErasableAddress.objects.bulk_create(
            ErasableAddress(line=line, address=each.value, salt=each.salt, owner=each.owner)
            for each in personal
        )
        if line.number == 1 and tenant is not None:
            # Later, because every sign-in waits for the installation's log while it is locked. The
            # nightly task registers a log whose process died here.
            transaction.on_commit(lambda: register_logs([scope]), robust=True)
    return line


def _tokens_of(tenant: Tenant | None, origin: RequestOrigin) -> dict[str, Any]:
    """The parameters of a line that name the token of the request; empty without one."""
    tokens: dict[str, Any] = {}
    if origin.token_id:
        tokens[API_TOKEN] = _token_param(tenant, origin)
    if origin.scim_token_id:
        tokens[SCIM_TOKEN] = {"id": origin.scim_token_id}
    return tokens


def _token_param(tenant: Tenant | None, origin: RequestOrigin) -> dict[str, str]:
    """The token of an action. The installation's log outlives the name, which a person entered."""
    named = {"name": origin.token_name} if tenant is not None else {}
    return {"id": origin.token_id} | named


def register_logs(scopes: list[str]) -> None:
    """Add a line to the installation's log with these logs. A registered log cannot vanish."""
    add_line(None, ActivityName.LOGS_REGISTERED, by=None, params={"logs": scopes})


def hash_of(line: ActivityLine) -> str:
    """SHA-256 as hex, over the stored content of a line and the hash of the previous line.

    Version 2 also covers the version and the tenant that the row refers to.
    """
    content = [
        line.scope,
        line.number,
        line.at.isoformat(),
        line.actor.archived_id if line.actor is not None else "",
        line.action,
        line.params,
        line.address,
        line.agent,
        line.previous_hash,
    ]
    if line.version >= HASH_VERSION:
        tenant = line.tenant.public_id if line.tenant is not None else ""
        content = [line.version, tenant, *content]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
