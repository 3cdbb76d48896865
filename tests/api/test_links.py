"""The links of the schema lead to operations, with every parameter of their address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tenants.models import Tenant
from tenants.rest.schema import SCHEMA
from tests.api.clients import ApiClient

PATHS: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["paths"]
OPERATIONS = {
    operation["operationId"]: (method, path)
    for path, operations in PATHS.items()
    for method, operation in operations.items()
}


def _links() -> Iterator[tuple[str, Any]]:
    """The path of the source, and the link."""
    for path, operations in PATHS.items():
        for operation in operations.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    yield path, link


def _names(path: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", path))


def test_links_have_the_parameters_of_their_operation() -> None:
    for source, link in _links():
        method, path = OPERATIONS[link["operationId"]]
        parameters = dict(link["parameters"])
        etag = parameters.pop("header.If-Match", None)
        declared = {each["name"] for each in PATHS[path][method].get("parameters", [])}

        assert set(parameters) == _names(path)
        assert (etag is not None) == ("If-Match" in declared)
        for name, value in parameters.items():
            from_request = value == f"$request.path.{name}" and name in _names(source)
            assert from_request or re.fullmatch(r"\$response\.body#/(results/0/)?id", value)


def test_every_resource_of_a_list_is_linked() -> None:
    """Each GET below the address of a list with the ids of its rows."""
    linked = {link["operationId"] for _, link in _links()}
    lists = {path for path in PATHS if _has_cursor(path)}

    missing = {
        path
        for path, operations in PATHS.items()
        if re.sub(r"\{(\w+_id|public_id)\}/$", "", path) in lists - {path}
        and "get" in operations
        and operations["get"]["operationId"] not in linked
    }

    assert missing == set()


def _has_cursor(path: str) -> bool:
    parameters = PATHS[path].get("get", {}).get("parameters", [])
    return any(each["name"] == "cursor" for each in parameters)


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_followed_links_change_the_created_resource(
    api: ApiClient, tenant: Tenant, method: str
) -> None:
    """Create a contact, follow the link to it, and from there the link to its change."""
    path = "/api/v1/tenants/{public_id}/contacts/"
    body = {"role": "dns", "name": "Dana North", "email": "dana@one.test"}
    address = path.replace("{public_id}", tenant.public_id)
    made = api.post(address, body).json()
    created = PATHS[path]["post"]["responses"]["201"]["links"]
    (name,) = [each for each in created if each.startswith("get_")]
    item = OPERATIONS[name][1]
    url = item.replace("{public_id}", tenant.public_id).replace("{contact_id}", made["id"])
    read = api.get(url)
    links = PATHS[item]["get"]["responses"]["200"]["links"]
    (change,) = [links[each] for each in links if each.startswith(method)]

    assert change["parameters"]["header.If-Match"] == "$response.header.ETag"
    response = api.send(method.upper(), url, {"phone": "+44 1"}, If_Match=read["ETag"])
    assert response.status_code in (200, 204)
