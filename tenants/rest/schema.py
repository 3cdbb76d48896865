"""The OpenAPI schema, from the declarations of the views (docs/reference/api.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.serializers import ListSerializer

from tenants.rest.links import add_links
from tenants.rest.problems import CONTENT_TYPE, problem

PREFIX = "/api/v1"
# The schema of this version. A test compares it with the code.
SCHEMA = Path(__file__).parent / "openapi.json"
EXAMPLES = Path(__file__).parent / "examples.json"
WRITES = ("post", "patch", "delete")
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "A stable name of the error."},
        "detail": {"type": "string", "description": "The sentence that a page shows."},
        "errors": {
            "type": "object",
            "description": "The sentences of each field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "current": {"description": "With 412: the present state of the resource."},
    },
}


class ResourceSchema(AutoSchema):
    """Reads the declarations of `tenants.rest.views.ApiView`."""

    # The stubs know only the base class of DRF.
    view: Any

    def get_operation_id(self) -> str:
        verb = {"GET": "list" if self._is_list_view() else "get", "POST": "create"}
        name = self.path.removeprefix(PREFIX).strip("/").replace("/", "_")
        words = [word for word in name.split("_") if word]
        kept = "_".join(words).replace("{", "by_").replace("}", "").replace("-", "_")
        return f"{verb.get(self.method, self.method.lower())}_{kept}"

    def get_auth(self) -> list[dict[str, list[str]]]:
        """None of its own: every operation accepts a token or a session."""
        return []

    def get_tags(self) -> list[str]:
        return [str(self.view.tag)]

    def get_summary(self) -> str:
        return self._docstring().partition("\n")[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's own signature
        return self._docstring().partition("\n")[2].strip()

    def _docstring(self) -> str:
        handler = getattr(type(self.view), self.method.lower())
        return cleandoc(handler.__doc__ or type(self.view).__doc__ or "")

    def _is_list_view(self, serializer: Any = None) -> bool:
        is_list = isinstance(serializer, ListSerializer)
        return is_list or (self.method == "GET" and self.view.pagination_class is not None)

    def get_request_serializer(self) -> Any:
        return self.view.inputs.get(self.method)

    def get_response_serializers(self) -> Any:
        status = self.view.statuses.get(self.method, 200)
        if status in (202, 204):
            return {status: self.view.outputs.get(self.method)}
        if "wait_for" in self.view.query_descriptions:
            redirect = OpenApiResponse(description="The address that waits, with `wait_for` only.")
            return {200: self.view.serializer_class, 307: redirect}
        return {status: self.view.outputs.get(self.method, self.view.serializer_class)}

    def get_override_parameters(self) -> list[Any]:
        found = [
            OpenApiParameter(name, str, "path", enum=choices)
            for name, choices in self.view.path_choices.items()
        ]
        if self.method == "DELETE":
            described = self.view.delete_descriptions.items()
            found += [OpenApiParameter(name, str, description=text) for name, text in described]
        if self.method != "GET":
            return [*found, *self._write_headers()]
        serializer = self.view.serializer_class
        found += [
            OpenApiParameter(name, str, description=text)
            for name, text in self.view.query_descriptions.items()
        ]
        if serializer is None:
            return found
        names = ", ".join(serializer._declared_fields)
        found.append(
            OpenApiParameter("fields", str, description=f"Return only these fields, of: {names}.")
        )
        if serializer.expandable:
            names = ", ".join(sorted(serializer.expandable))
            text = f"Also return these fields, of: {names}."
            found.append(OpenApiParameter("expand", str, description=text))
        return found

    def _write_headers(self) -> Iterator[OpenApiParameter]:
        yield OpenApiParameter(
            "Idempotency-Key",
            str,
            "header",
            description="A repeated key returns the first response for 24 hours.",
        )
        if self.method in self.view.versioned:
            # Not required in the schema: without it the response is 428.
            yield OpenApiParameter(
                "If-Match", str, "header", description="The ETag of the resource that you read."
            )


def without_live_addresses(endpoints: list[tuple[Any, ...]], **options: Any) -> list[Any]:
    """The endpoints without those of the stream process, to which a request is redirected."""
    return [each for each in endpoints if each[0].startswith(PREFIX)]


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add what every operation has: errors, examples, and the rejection of unknown fields."""
    schemas = result["components"].setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation, schemas)
    add_links(result["paths"], schemas)
    result["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
    }
    result["security"] = [{"token": []}, {"session": []}]
    return result


def _complete_operation(
    path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]
) -> None:
    operation.pop("security", None)
    examples = _examples().get(f"{method} {path}", {})
    body = operation.get("requestBody", {}).get("content", {})
    for media in body.values():
        _close(media.get("schema", {}), schemas)
        if "request" in examples:
            media["example"] = examples["request"]
    for response in operation["responses"].values():
        for media in response.get("content", {}).values():
            if "response" in examples:
                media["example"] = examples["response"]
    operation["responses"]["4XX"] = {
        "description": "An error",
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": problem(404, "No such object."),
            }
        },
    }


def _close(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Forbid unknown fields in the schema of a body, and in the schemas that it contains."""
    if "$ref" in schema:
        _close(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    elif "items" in schema:
        _close(schema["items"], schemas)
    elif "properties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
        for each in schema["properties"].values():
            _close(each, schemas)


@cache
def _examples() -> dict[str, Any]:
    """The examples by method and path: `tests/api/examples.py` records them from real responses."""
    if not EXAMPLES.is_file():
        return {}
    found: dict[str, Any] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return found
