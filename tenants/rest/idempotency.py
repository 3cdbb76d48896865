"""Idempotency-Key: a repeated request returns its first response for 24 hours.

1. The transaction of the change inserts a row with the key. A second request with the same key
   waits for this transaction.
2. The transaction stores the response. After a crash, the change and its response exist, or
   neither.
3. A refusal (4xx) changes nothing, so that it is stored after its transaction has rolled back.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.models import IdempotentRequest, Tenant, User
from tenants.rest.problems import CONTENT_TYPE, ApiError

LIFETIME = timedelta(hours=24)
LONGEST_KEY = 255
# Refusals that depend on the request and the stored rows alone. A later 401 or 429 can succeed.
_STORED_REFUSALS = frozenset({400, 404, 409, 412, 422})
_STORED_HEADERS = ("ETag", "Location")
REPLAYED = "Idempotency-Replayed"


def key_of(request: Request) -> str:
    """The key of the request; empty without one. Raises ApiError for a key that is too long."""
    key = str(request.META.get("HTTP_IDEMPOTENCY_KEY", "")).strip()
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise ApiError(400, f"An Idempotency-Key has at most {LONGEST_KEY} printable characters.")
    return key


def fingerprint_of(request: Request) -> str:
    """Identifies the request, so that a key cannot be used for another one."""
    content = [str(request.method), request.get_full_path(), request.META.get("HTTP_IF_MATCH", "")]
    digest = hashlib.sha256("\0".join(content).encode())
    digest.update(b"\0" + request.body)
    return digest.hexdigest()


def first_response(key: str, user: User, fingerprint: str) -> Response | None:
    """The stored response to the key. Raises a 409 error for a key of another request."""
    since = timezone.now() - LIFETIME
    row = IdempotentRequest.objects.filter(user=user, key=key, created_at__gt=since).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise ApiError(
            409,
            "This Idempotency-Key was used for another request. Use another key.",
            code="idempotency-key-reused",
        )
    is_problem = row.status >= 400
    return Response(
        row.body,
        status=row.status,
        headers={**row.headers, REPLAYED: "true"},
        content_type=CONTENT_TYPE if is_problem else None,
    )


def reserve(key: str, user: User, fingerprint: str) -> IdempotentRequest | None:
    """Insert the row of the key. Returns None if another request has it.

    Waits for the transaction of the other request. Call it inside the transaction of the change.
    """
    expired = IdempotentRequest.objects.filter(
        user=user, key=key, created_at__lte=timezone.now() - LIFETIME
    )
    expired.delete()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(user=user, key=key, fingerprint=fingerprint)
    except IntegrityError:
        return None


def store(row: IdempotentRequest, response: Response, tenant: Tenant | None) -> None:
    row.tenant = tenant
    row.status, row.body = response.status_code, response.data
    row.headers = {name: response[name] for name in _STORED_HEADERS if name in response}
    row.save(update_fields=["tenant", "status", "body", "headers"])


def store_refusal(request: Request, key: str, response: Response, tenant: Tenant | None) -> None:
    """Store the refusal of a request that changed nothing."""
    user = request.user
    if response.status_code not in _STORED_REFUSALS or not isinstance(user, User):
        return
    with transaction.atomic():
        row = reserve(key, user, fingerprint_of(request))
        if row is not None:
            store(row, response, tenant)


def delete_expired() -> int:
    """Delete the responses that no key can return any more. Returns their number."""
    old = IdempotentRequest.objects.filter(created_at__lte=timezone.now() - LIFETIME)
    return old.delete()[0]
