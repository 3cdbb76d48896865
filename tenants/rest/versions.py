"""ETags of editable resources, and the precondition of a change.

An ETag identifies the stored values of a resource. Values that Gangway derives, such as the reasons
against a transition, can change while the ETag remains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db.models import Model
from rest_framework.request import Request

from tenants.rest.problems import ApiError

REQUIRED = "Send the ETag of the resource that you read in If-Match."
OUTDATED = "Another request changed the resource after you read it. Nothing was changed."


def etag_of(*rows: Model) -> str:
    """A strong ETag of the stored values of these rows."""
    values = [
        [
            str(getattr(row, field.attname))
            if field.get_internal_type() != "JSONField"
            else json.dumps(getattr(row, field.attname), sort_keys=True, default=str)
            for field in row._meta.concrete_fields
        ]
        for row in rows
    ]
    return etag_of_values(*values)


def etag_of_values(*values: Any) -> str:
    """A strong ETag of JSON values, for a resource that is not one row."""
    return '"' + hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32] + '"'


def check_precondition(request: Request, etag: str, current: Callable[[], Any]) -> None:
    """Raise 428 without If-Match, and 412 with the present state for another version."""
    wanted = str(request.META.get("HTTP_IF_MATCH", ""))
    if not wanted:
        raise ApiError(428, REQUIRED)
    tags = [tag.strip() for tag in wanted.split(",")]
    if "*" not in tags and etag not in tags:
        raise ApiError(412, OUTDATED, extra={"current": current()}, headers={"ETag": etag})
