"""The parser of request bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

_SURROGATE = re.compile(rb"\\u[dD][89abAB]")


class BoundedJSONParser(JSONParser):
    """JSON that the database can store. Rejects deep nesting and lone surrogates.

    The size is bounded by DATA_UPLOAD_MAX_MEMORY_SIZE.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        try:
            parsed: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        request = (parser_context or {}).get("request")
        body = request.body if request is not None else b""
        if _SURROGATE.search(body) and not is_text(parsed):
            raise ParseError("The JSON contains half of a surrogate pair.")
        return parsed


def is_text(value: Any) -> bool:
    """Whether every string can be encoded."""
    values = [value]
    while values:
        each = values.pop()
        if isinstance(each, dict):
            values += [*each, *each.values()]
        elif isinstance(each, list):
            values += each
        elif isinstance(each, str):
            try:
                each.encode()
            except UnicodeEncodeError:
                return False
    return True
