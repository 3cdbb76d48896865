"""ETags of editable resources, and the precondition of a change.

An ETag identifies the stored values of a resource. Values that Gangway derives, such as the reasons
against a transition, can change while the ETag remains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

from django.db.models import Model
from rest_framework.request import Request

from tenants.rest.problems import ApiError

REQUIRED = "Send the ETag of the resource that you read in If-Match."
OUTDATED = "Another request changed the resource after you read it. Nothing was changed."


def etag_of(*rows: Model) -> str:
    """A strong ETag of the stored values of these rows."""
    return etag_of_values(*(_columns_of(type(row))(row) for row in rows))


@cache
def _columns_of(model: type[Model]) -> Callable[[Model], Any]:
    """The function from a row to the values of its columns, prepared once for each model."""
    return attrgetter(*(field.attname for field in model._meta.concrete_fields))


def etag_of_values(*values: Any) -> str:
    """A strong ETag of JSON values and times, for a resource that is not one row."""
    text = json.dumps(values, sort_keys=True, default=str)
    return '"' + hashlib.sha256(text.encode()).hexdigest()[:32] + '"'


def check_precondition(request: Request, etag: str, current: Callable[[], Any]) -> None:
    """Raise 428 without If-Match, and 412 with the present state for another version."""
    wanted = str(request.META.get("HTTP_IF_MATCH", ""))
    if not wanted:
        raise ApiError(428, REQUIRED)
    tags = [tag.strip() for tag in wanted.split(",")]
    if "*" not in tags and etag not in tags:
        raise ApiError(412, OUTDATED, extra={"current": current()}, headers={"ETag": etag})
