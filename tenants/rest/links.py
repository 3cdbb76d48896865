"""The links of the OpenAPI schema: each operation with an id in its address has at least one.

A program follows them: it creates a contact, reads it, and changes or removes it with its ETag.
The response that links to an operation is:

1. for a change of a resource: the resource at the same address, with its ETag
2. for an address below a resource, such as `…/tasks/{task_id}/remind/`: the resource
3. for a resource: its list or its creation, whose response contains the id
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("get", "post", "patch", "delete")
_PARAMETER = re.compile(r"\{(\w+)\}")
_ETAG = "$response.header.ETag"
# A phase of a draft has a key and a plan template has a version instead of an id.
_IDENTIFIERS = ("id", "key", "version")
# If-Match has the ETag of the draft here, which no response has together with the key of the part.
_OTHER_VERSION = {
    (f"/api/v1/plan-templates/draft/{part}/{{{part[:-1]}_key}}/move/", "post")
    for part in ("phases", "tasks")
}


@dataclass(frozen=True)
class _LinkSource:
    """A response, and the parameters that it has for the linked operation."""

    response: dict[str, Any]
    parameters: dict[str, str]
    has_etag: bool = False


@dataclass(frozen=True)
class _Schema:
    paths: Mapping[str, Any]
    components: Mapping[str, Any] = field(default_factory=dict)

    def sources_of(self, path: str, method: str) -> Iterator[_LinkSource]:
        """The responses that lead to the operation."""
        item, below = _split(path)
        if (path, method) in _OTHER_VERSION:
            return
        same = self._resource(path) if method != "get" else None
        above = self._resource(item) if below else None
        if (found := same or above) is not None:
            yield _LinkSource(found, _of_request(path), has_etag=True)
        elif "{" in path:
            yield from self._sources_of_id(item)
        if not below and method != "get":
            yield from self._sources_of_id(item)

    def _resource(self, path: str) -> dict[str, Any] | None:
        """The response with one resource; None for an address without one, and for a list."""
        parameters = self.paths.get(path, {}).get("get", {}).get("parameters", [])
        is_list = any(each["name"] == "cursor" for each in parameters)
        return None if is_list else self._response(path, "get", "200")

    def _sources_of_id(self, item: str) -> Iterator[_LinkSource]:
        """The list and the creation of the resource, whose responses contain its id."""
        collection, name = item[: item.rindex("{")], _PARAMETER.findall(item)[-1]
        known = _of_request(collection)
        for method, status in (("get", "200"), ("post", "201")):
            response = self._response(collection, method, status)
            if response is not None and (pointer := self._pointer_in(response)):
                yield _LinkSource(response, known | {name: f"$response.body#/{pointer}"})
        constant = self._first_choice(item, name)
        if constant and (parent := self._resource(_split(collection)[0])) is not None:
            # An action of the resource above: both have one version.
            is_action = self._resource(item) is None
            yield _LinkSource(parent, known | {name: constant}, has_etag=is_action)

    def _pointer_in(self, response: dict[str, Any]) -> str:
        """The place of the id in the response; empty without one."""
        schema, place = self._schema_of(response), ""
        if "results" in schema.get("properties", {}):
            schema, place = schema["properties"]["results"], "results/"
        if schema.get("type") == "array":
            schema, place = self._resolved(schema["items"]), f"{place}0/"
        found = [each for each in _IDENTIFIERS if each in schema.get("properties", {})]
        return f"{place}{found[0]}" if found else ""

    def _first_choice(self, path: str, name: str) -> str:
        """The first permitted value of the parameter; empty unless the schema lists them."""
        for operation in self.paths.get(path, {}).values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == name and "enum" in parameter["schema"]:
                    return str(parameter["schema"]["enum"][0])
        return ""

    def _response(self, path: str, method: str, status: str) -> dict[str, Any] | None:
        operation = self.paths.get(path, {}).get(method, {})
        found: dict[str, Any] | None = operation.get("responses", {}).get(status)
        return found

    def _schema_of(self, response: Any) -> Any:
        content = (response or {}).get("content", {}).get("application/json", {})
        return self._resolved(content.get("schema", {}))

    def _resolved(self, schema: Any) -> Any:
        reference = schema.get("$ref", "").rpartition("/")[2]
        return self.components[reference] if reference else schema


def add_links(paths: Mapping[str, Any], components: Mapping[str, Any]) -> None:
    """Add the links to the responses, in place. `components` are the schemas by name."""
    schema = _Schema(paths, components)
    for path, operations in paths.items():
        for method in METHODS:
            if method in operations:
                for source in schema.sources_of(path, method):
                    _link(source, operations[method])


def _link(source: _LinkSource, operation: Mapping[str, Any]) -> None:
    """Link to the operation. One that needs an ETag is linked from a resource only."""
    needs = any(each["name"] == "If-Match" for each in operation.get("parameters", []))
    if needs and not source.has_etag:
        return
    etag = {"header.If-Match": _ETAG} if needs else {}
    name = operation["operationId"]
    links = source.response.setdefault("links", {})
    links[name] = {"operationId": name, "parameters": source.parameters | etag}


def _split(path: str) -> tuple[str, str]:
    """The address of the resource with the last id of the path, and the rest of the path.

    Without an id: the address above the last part of the path.
    """
    item, closed, below = path.rpartition("}/")
    if closed:
        return f"{item}{closed}", below
    above, _, last = path.rstrip("/").rpartition("/")
    return f"{above}/", last


def _of_request(path: str) -> dict[str, str]:
    return {name: f"$request.path.{name}" for name in _PARAMETER.findall(path)}
