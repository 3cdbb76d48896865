"""Storage of raw answers: compressed, once for each tenant and content."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from checks.models import RawAnswers


def store(answers: Mapping[int, tuple[int, Mapping[str, Any]]]) -> dict[int, int]:
    """Store answers, and return the key of the row of each. Safe with other workers.

    `answers` has the tenant's key and the answers of a run for each key of its check. Equal answers
    of a tenant share a row. Two statements for any number of runs.
    """
    if not answers:
        return {}
    rows: dict[tuple[int, str], RawAnswers] = {}
    row_of: dict[int, tuple[int, str]] = {}
    for check_id, (tenant_id, raw) in answers.items():
        body = json.dumps(dict(raw), sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(body).hexdigest()
        row_of[check_id] = (tenant_id, digest)
        if (tenant_id, digest) not in rows:
            rows[tenant_id, digest] = RawAnswers(
                tenant_id=tenant_id, digest=digest, body=zlib.compress(body, 9)
            )
    # In one order, so that two workers with equal answers never deadlock.
    RawAnswers.objects.bulk_create([rows[key] for key in sorted(rows)], ignore_conflicts=True)
    stored = RawAnswers.objects.filter(
        tenant__in={tenant_id for tenant_id, _ in rows}, digest__in={digest for _, digest in rows}
    )
    ids = {
        (tenant_id, digest): pk
        for pk, tenant_id, digest in stored.values_list("pk", "tenant", "digest")
    }
    return {check_id: ids[key] for check_id, key in row_of.items()}


def read(body: bytes | memoryview) -> dict[str, Any]:
    """Return the answers in a row's body."""
    answers: dict[str, Any] = json.loads(zlib.decompress(bytes(body)))
    return answers
