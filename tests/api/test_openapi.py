"""The OpenAPI schema: equal to the stored one, with an example of every operation."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tenants.models import Tenant, User
from tenants.rest.schema import EXAMPLES, SCHEMA
from tests.access_matrix import create_one_of_each
from tests.api import people_examples, plan_examples
from tests.api.clients import ApiClient, client_for
from tests.api.examples import operations, record, send
from tests.factories import MakeTenant

STORED: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
# They have no JSON body: the schema itself, and the content of a file.
WITHOUT_RESPONSE = {
    "get /api/v1/openapi.json",
    "get /api/v1/tenants/{public_id}/files/{file_id}/content/",
    *people_examples.WITHOUT_RESPONSE,
}
# The sample objects refuse them: a drift of a region, a vote of an approver.
REFUSED = {
    "post /api/v1/tenants/{public_id}/drifts/{drift_id}/accept/": 422,
    "post /api/v1/tenants/{public_id}/cutovers/{cutover_id}/votes/": 422,
    "delete /api/v1/tenants/{public_id}/requirements/{sheet_id}/sign-off/": 422,
    "delete /api/v1/tenants/{public_id}/tasks/{task_id}/comments/{comment_id}/": 422,
    "delete /api/v1/tenants/{public_id}/domains/{domain_id}/": 422,
    **people_examples.REFUSED,
    **plan_examples.REFUSED,
}


@pytest.fixture
def ids(make_tenant: MakeTenant, consultant: User, tmp_path: Path, settings: Any) -> dict[str, str]:
    settings.FILES_DIR = tmp_path / "files"
    tenant = make_tenant("Northwind", domains=(("one.test", "primary"),))
    ids = create_one_of_each(tenant, consultant)
    people_examples.prepare(tenant)
    return ids


@pytest.fixture
def clients(consultant: User, administrator: User) -> Callable[[str], ApiClient]:
    """The client for an address: some belong to administrators alone."""
    usual, widest = (client_for(person, "administer") for person in (consultant, administrator))
    return lambda path: widest if people_examples.is_for_administrators(path) else usual


def _generate() -> Any:
    """The schema of the code, as JSON has it."""
    generator: Any = SchemaGenerator
    return json.loads(json.dumps(generator().get_schema(request=None, public=True)))


def test_stored_schema_is_that_of_the_code() -> None:
    """`manage.py spectacular --format openapi-json --file tenants/rest/openapi.json` stores it."""
    generated = _generate()

    assert generated == STORED


@pytest.mark.slow
def test_schema_has_no_warning() -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        schema = _generate()

    assert (bool(GENERATOR_STATS), schema["openapi"]) == (False, "3.1.0")
    validate: Any = validate_schema
    validate(schema)


def test_every_operation_has_an_example() -> None:
    missing = [
        f"{method} {path}"
        for method, path in operations(STORED)
        if not _has_example(method, path) and f"{method} {path}" not in WITHOUT_RESPONSE
    ]

    assert missing == []


def _has_example(method: str, path: str) -> bool:
    operation = STORED["paths"][path][method]
    media = [*operation.get("requestBody", {}).get("content", {}).values()]
    for response in operation["responses"].values():
        media += response.get("content", {}).values()
    return all("example" in each for each in media)


@pytest.mark.slow
def test_examples_succeed_and_match_the_schema(
    ids: dict[str, str], clients: Callable[[str], ApiClient]
) -> None:
    if "GANGWAY_RECORD_EXAMPLES" in os.environ:
        found = json.dumps(record(clients, STORED, ids), indent=1, ensure_ascii=False)
        EXAMPLES.write_text(f"{found}\n", encoding="utf-8")

    wrong = {
        f"{method} {path}": problem
        for method, path in operations(STORED)
        if (problem := _problem(clients(path), method, path, ids))
    }

    assert wrong == {}


def _problem(client: ApiClient, method: str, path: str, ids: dict[str, str]) -> str:
    """The difference between the response and the schema; empty without one."""
    response, name = send(client, method, path, ids), f"{method} {path}"
    if response.status_code != REFUSED.get(name, response.status_code) or (
        response.status_code >= 300 and name not in REFUSED
    ):
        return f"{response.status_code} {response.content[:300]!r}"
    responses = STORED["paths"][path][method]["responses"]
    documented = responses.get(str(response.status_code)) or responses["4XX"]
    for media in documented.get("content", {}).values():
        schema = media["schema"] | {"components": STORED["components"]}
        try:
            jsonschema.validate(response.json(), schema)
        except jsonschema.ValidationError as error:
            return f"{error.json_path}: {error.message[:200]}"
    return ""


def test_schema_is_served(api: ApiClient, tenant: Tenant) -> None:
    assert api.get("openapi.json").json() == STORED
