"""The links of the schema lead to operations, with every parameter of their address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenants.models import Tenant, User
from tenants.rest.schema import SCHEMA
from tests.access_matrix import create_one_of_each
from tests.api.clients import ApiClient, client_for
from tests.factories import MakeTenant

PATHS: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["paths"]
OPERATIONS = {
    operation["operationId"]: (method, path)
    for path, operations in PATHS.items()
    for method, operation in operations.items()
}
FROM_BODY = r"\$response\.body#/((results/)?0/)?(id|key|version)"


def _links() -> Iterator[tuple[str, Any]]:
    """The path of the source, and the link."""
    for path, operations in PATHS.items():
        for operation in operations.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    yield path, link


def _choices(path: str, method: str, name: str) -> list[str]:
    found = {each["name"]: each["schema"] for each in PATHS[path][method]["parameters"]}
    choices: list[str] = found[name].get("enum", [])
    return choices


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
            is_choice = value in _choices(path, method, name)
            assert from_request or is_choice or re.fullmatch(FROM_BODY, value)


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


def test_every_operation_is_linked() -> None:
    linked = {link["operationId"] for _, link in _links()}

    missing = {path for name, (_, path) in OPERATIONS.items() if "{" in path and name not in linked}

    # They need the key of a part and the ETag of the draft, which are in two responses.
    assert missing == {
        f"/api/v1/plan-templates/draft/{name}/move/"
        for name in ("phases/{phase_key}", "tasks/{task_key}")
    }


@pytest.mark.slow
def test_every_row_of_a_list_has_its_address(
    make_tenant: MakeTenant, administrator: User, tmp_path: Path, settings: Any
) -> None:
    """Also the rows of all tenants in the list of one tenant."""
    settings.FILES_DIR = tmp_path
    tenant = make_tenant("Northwind", domains=(("one.test", "primary"),))
    ids = create_one_of_each(tenant, administrator)
    api, missing = client_for(administrator, "administer"), []

    for path in filter(_has_cursor, PATHS):
        item = next((each for each in PATHS if _is_item_of(each, path)), None)
        if item is None:
            continue
        known = {name: ids[name] for name in _names(path)}
        for row in api.get(f"{path.format(**known)}?page_size=5").json()["results"]:
            (name,) = _names(item) - _names(path)
            found = next(row[each] for each in ("id", "version") if each in row)
            url = item.format(**known, **{name: found})
            missing += [url] if api.get(url).status_code != 200 else []

    assert missing == []


def _is_item_of(path: str, collection: str) -> bool:
    item = re.fullmatch(re.escape(collection) + r"\{\w+\}/", path)
    return item is not None and "get" in PATHS[path]


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
