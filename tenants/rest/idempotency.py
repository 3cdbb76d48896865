"""Idempotency-Key: a repeated request returns its first response for 24 hours.

1. The transaction of the change inserts a row with the key. A second request with the same key
   waits for this transaction.
2. The transaction stores the response. After a crash, the change and its response exist, or
   neither.
3. A refusal (4xx) changes nothing, so that it is stored after its transaction has rolled back.
4. A secret that a response shows once is not stored: a replayed response has null in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from datetime import timedelta

from django.db import IntegrityError, transaction
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import database_time
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
    for part in _parts_of_body(request):
        digest.update(b"\0" + part)
    return digest.hexdigest()


def _parts_of_body(request: Request) -> Iterator[bytes]:
    """The body, or the fields and files of an uploaded form."""
    received = request._request
    if received.content_type != "multipart/form-data":
        yield request.body
        return
    for name, values in received.POST.lists():
        yield from (str(each).encode(errors="replace") for each in (name, *values))
    for name, files in received.FILES.lists():
        for file in files:
            yield f"{name}\0{file.name}".encode(errors="replace")
            file.seek(0)
            yield from file.chunks()
            file.seek(0)


def first_response(key: str, user: User, fingerprint: str) -> Response | None:
    """The stored response to the key. Raises a 409 error for a key of another request."""
    since = database_time.now() - LIFETIME
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
        user=user, key=key, created_at__lte=database_time.now() - LIFETIME
    )
    expired.delete()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(user=user, key=key, fingerprint=fingerprint)
    except IntegrityError:
        return None


def store(
    row: IdempotentRequest,
    response: Response,
    tenant: Tenant | None,
    *,
    secrets: Collection[str] = (),
) -> None:
    """Store the response, with null in place of each field in `secrets`."""
    row.tenant = tenant
    row.status, row.body = response.status_code, response.data
    if secrets and response.status_code < 400:
        row.body = {**response.data, **dict.fromkeys(secrets)}
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
    old = IdempotentRequest.objects.filter(created_at__lte=database_time.now() - LIFETIME)
    return old.delete()[0]
