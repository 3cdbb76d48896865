"""Schemathesis: generated requests to every operation, for each role and each scope of a token.

The short form sends a few requests to each operation, with the tokens in turn. The nightly form
sends more to each operation for every token.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tenants.models import User
from tests.api.generated_requests import (
    Token,
    World,
    check,
    create_world,
    names_row,
    one_connection,
    operations,
    rolled_back,
)
from tests.factories import MakeTenant


@pytest.fixture
def world(
    make_tenant: MakeTenant, consultant: User, tmp_path: Path, settings: Any
) -> Iterator[World]:
    settings.FILES_DIR = tmp_path / "files"
    with one_connection():
        yield create_world(make_tenant, consultant)


def send_generated(operation: Any, tokens: Iterator[Token], world: World, *, amount: int) -> None:
    """Send generated requests, each in its own transaction.

    The ids of an address are those of one tenant, of the other tenant, or of both.
    """
    choice = st.sampled_from(("own", "mixed", "foreign"))

    @given(case=operation.as_strategy(), ids=choice)
    @settings(
        max_examples=amount,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def generated(case: Any, ids: str) -> None:
        send(case, next(tokens), world, ids)

    generated()


def send(case: Any, token: Token, world: World, ids: str) -> None:
    values = {"own": world.own, "foreign": world.foreign}.get(
        ids, world.foreign | {"public_id": world.own["public_id"]}
    )
    case.path_parameters = {name: values[name] for name in case.path_parameters or {}}
    if ids != "own":
        # A generated parameter is usually invalid, and refused before the row is read.
        case.query = {}
    headers = {"Authorization": f"Bearer {token.text}", "If-Match": "*"}
    case.headers = {k: each for k, each in (case.headers or {}).items() if k not in headers}
    with rolled_back():
        response = case.call(headers=headers)
    check(case, response, token)
    path = case.operation.path
    if names_row(path, case.path_parameters) and ids == "mixed":
        assert response.status_code >= 400, f"{token}: {case.as_curl_command()}"
    if "{public_id}" in path and case.path_parameters["public_id"] in token.hidden:
        assert response.status_code == 404, f"{token}: {case.as_curl_command()}"


@pytest.mark.slow
def test_generated_requests_match_the_schema(world: World) -> None:
    tokens = cycle(world.tokens)

    for operation in operations():
        has_many_forms = operation.body or any(each.name == "cursor" for each in operation.query)
        send_generated(operation, tokens, world, amount=2 if has_many_forms else 1)


@pytest.mark.nightly
def test_many_generated_requests_match_the_schema(world: World) -> None:
    for token in world.tokens:
        for operation in operations():
            send_generated(operation, cycle([token]), world, amount=15)
