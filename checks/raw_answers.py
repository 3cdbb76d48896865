"""Storage of raw answers: compressed, once for each tenant and content."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from checks.models import RawAnswers
from tenants.models import Tenant


def store(tenant: Tenant, raw: Mapping[str, Any]) -> RawAnswers:
    """Return the row for these answers, created if necessary. Safe with other workers."""
    body = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest()
    row = RawAnswers(tenant=tenant, digest=digest, body=zlib.compress(body, 9))
    RawAnswers.objects.bulk_create([row], ignore_conflicts=True)
    return RawAnswers.objects.get(tenant=tenant, digest=digest)


def read(body: bytes | memoryview) -> dict[str, Any]:
    """Return the answers in a row's body."""
    answers: dict[str, Any] = json.loads(zlib.decompress(bytes(body)))
    return answers
