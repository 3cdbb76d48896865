"""Schemathesis: generated requests to every operation, for each role and each scope of a token.

The short form sends a few requests to each operation, with the roles and scopes in turn. The
nightly form sends more to each operation for every role and scope.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache as cache_result
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from tenants.models import Tenant, User
from tenants.rest.schema import SCHEMA
from tests.access_matrix import create_one_of_each, create_person
from tests.api.clients import client_for
from tests.factories import MakeTenant

ROLES = ("administrator", "consultant", "manager", "owner", "member", "viewer", "outsider")
SCOPES = ("read", "write", "administer")
TOKENS = [(role, scope) for role in ROLES for scope in SCOPES]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# The domain of the other tenant.
FOREIGN = "two.test"


@pytest.fixture(autouse=True)
def keep_connection() -> Iterator[None]:
    """Requests must not close the connection of the test's transaction, as Django's client."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def ids(make_tenant: MakeTenant, consultant: User, tmp_path: Path, settings: Any) -> dict[str, str]:
    settings.FILES_DIR = tmp_path / "files"
    foreign = make_tenant("foreign", domains=((FOREIGN, "primary"),))
    create_one_of_each(foreign, consultant)
    own = make_tenant("own", domains=(("one.test", "primary"),))
    return create_one_of_each(own, consultant) | {"foreign_id": foreign.public_id}


@cache_result
def operations() -> tuple[Any, ...]:
    schema = schemathesis.openapi.from_dict(json.loads(SCHEMA.read_text(encoding="utf-8")))
    schema.app = application
    results: Any = schema.get_all_operations()
    all_operations = [found.ok() for found in results]
    # The client of Schemathesis does not close the file of a download.
    return tuple(each for each in all_operations if not each.path.endswith("/content/"))


def token_for(role: str, scope: str, ids: dict[str, str]) -> str:
    own = Tenant.objects.get(public_id=ids["public_id"])
    foreign = Tenant.objects.exclude(pk=own.pk).get()
    consultant = User.objects.get(email="consultant@gangway.test")
    person = create_person(role, own, foreign, consultant)
    assert person is not None, "every role has a person"
    return client_for(person, scope).token


def send_generated(operation: Any, token: str, ids: dict[str, str], *, amount: int) -> None:
    """Send generated requests with the ids of the sample objects, each in its own transaction."""
    is_of_own_tenant = ids["role"] in ("owner", "member", "viewer")
    hidden = (FOREIGN, ids["foreign_id"]) if is_of_own_tenant else ()

    @given(case=operation.as_strategy())
    @settings(
        max_examples=amount,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def generated(case: Any) -> None:
        cache.clear()
        case.path_parameters = {name: ids[name] for name in case.path_parameters or {}}
        headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
        case.headers = {
            name: value for name, value in (case.headers or {}).items() if name not in headers
        }
        with transaction.atomic():
            response = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)
        assert [each for each in hidden if each in response.text] == []

    generated()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(TOKENS)), ids=[" ".join(each) for each in TOKENS])
def test_generated_requests_match_the_schema(ids: dict[str, str], number: int) -> None:
    role, scope = TOKENS[number]
    token = token_for(role, scope, ids)

    for position, operation in enumerate(operations()):
        if position % len(TOKENS) == number:
            send_generated(operation, token, ids | {"role": role}, amount=3)


@pytest.mark.nightly
@pytest.mark.parametrize(("role", "scope"), TOKENS)
def test_many_generated_requests_match_the_schema(
    ids: dict[str, str], role: str, scope: str
) -> None:
    token = token_for(role, scope, ids)

    for operation in operations():
        send_generated(operation, token, ids | {"role": role}, amount=30)
