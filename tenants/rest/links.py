"""The links of the OpenAPI schema: from the response with an id to the operations that need it.

A program follows them: it creates a contact, reads it, and changes or removes it with its ETag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

METHODS = ("get", "post", "patch", "delete")
_PARAMETER = re.compile(r"\{(\w+)\}")
_ETAG = "$response.header.ETag"


def add_links(paths: Mapping[str, Any]) -> None:
    """Add the links to the responses of lists, creations and resources, in place."""
    for path, operations in paths.items():
        _link(operations.get("post"), "201", _below(paths, path, "id"))
        if _is_list(operations.get("get", {})):
            _link(operations["get"], "200", _below(paths, path, "results/0/id"))
        else:
            _link(operations.get("get"), "200", _changes(path, operations))


def _is_list(operation: Mapping[str, Any]) -> bool:
    return any(each["name"] == "cursor" for each in operation.get("parameters", []))


def _link(operation: Any, status: str, links: Iterator[tuple[str, Any]]) -> None:
    response = (operation or {}).get("responses", {}).get(status)
    found = dict(links) if response is not None else {}
    if found:
        response["links"] = found


def _below(paths: Mapping[str, Any], path: str, pointer: str) -> Iterator[tuple[str, Any]]:
    """Links to the operations of one resource of a list, whose id the response contains."""
    # A plan template has a version instead of an id.
    item = re.compile(re.escape(path) + r"\{(\w+_id|public_id)\}/")
    for other, operations in paths.items():
        if (found := item.fullmatch(other)) is not None:
            values = {**_of_request(path), found[1]: f"$response.body#/{pointer}"}
            yield from _to(operations, METHODS, values, has_etag=False)


def _changes(path: str, operations: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Links from a resource to its changes, with the ETag of the response."""
    return _to(operations, METHODS[1:], _of_request(path), has_etag=True)


def _of_request(path: str) -> dict[str, str]:
    return {name: f"$request.path.{name}" for name in _PARAMETER.findall(path)}


def _to(
    operations: Mapping[str, Any],
    methods: tuple[str, ...],
    values: Mapping[str, str],
    *,
    has_etag: bool,
) -> Iterator[tuple[str, Any]]:
    """Links to these operations. One that needs an ETag is linked from a resource only."""
    for method in methods:
        operation = operations.get(method)
        if operation is None:
            continue
        needs = any(each["name"] == "If-Match" for each in operation.get("parameters", []))
        if needs and not has_etag:
            continue
        parameters = dict(values)
        if needs:
            parameters["header.If-Match"] = _ETAG
        name = operation["operationId"]
        yield name, {"operationId": name, "parameters": parameters}
