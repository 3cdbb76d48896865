"""Schemathesis: requests along the links of the schema, for each role and each scope of a token.

The short form follows each link from the sample objects. The nightly form runs the state machine
of Schemathesis: a request uses the ids and ETags of earlier responses, also of deleted resources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.core.result import Ok
from schemathesis.generation.stateful.state_machine import StepOutput
from schemathesis.specs.openapi.checks import ensure_resource_availability, use_after_free
from schemathesis.specs.openapi.stateful.links import OpenApiLink

from tenants.models import User
from tests.api.generated_requests import (
    CHECKS,
    Token,
    World,
    check,
    create_world,
    example_of,
    names_row,
    one_connection,
    operations,
    rolled_back,
    schema,
)
from tests.factories import MakeTenant

# A link leads to an existing resource with its present ETag, and needs no other permission.
UNEXPECTED = frozenset({401, 403, 404, 405, 412, 428})
# The list of each tenant has the freezes of all tenants.
SHARED = frozenset({"GET /api/v1/tenants/{public_id}/freezes/{freeze_id}/"})
# The sample objects have no such risk to accept.
REFUSED = ["POST /api/v1/tenants/{public_id}/closing/accepted-residual-risks/"]


@pytest.fixture
def world(
    make_tenant: MakeTenant, consultant: User, tmp_path: Path, settings: Any
) -> Iterator[World]:
    settings.FILES_DIR = tmp_path / "files"
    with one_connection():
        yield create_world(make_tenant, consultant)


@dataclass(frozen=True)
class Source:
    """An operation with links, and the links."""

    operation: Any
    links: tuple[OpenApiLink, ...]


def sources() -> Iterator[Source]:
    known = {each.label for each in operations()}
    targets: dict[str, Any] = {}
    for operation in operations():
        links = [
            OpenApiLink(name, status, link, operation, targets)
            for status, response in operation.responses.items()
            for name, link in response.iter_links()
        ]
        found = tuple(each for each in links if each.target.label in known)
        if found:
            yield Source(operation, found)


def case_of(operation: Any, ids: dict[str, str], path: dict[str, str], **headers: str) -> Any:
    """A request with the body of the example."""
    body = example_of(operation, ids)
    content = {} if body is None else {"body": body[0], "media_type": body[1]}
    return operation.Case(path_parameters=path, headers=headers, **content)


def followed(link: OpenApiLink, output: StepOutput, ids: dict[str, str]) -> Any:
    """The request of the link. Its values are those of the earlier request and its response."""
    values: dict[str, dict[str, Any]] = {}
    for container, parameters in link.extract(output).parameters.items():
        for name, found in parameters.items():
            value = found.value.ok() if isinstance(found.value, Ok) else None
            assert isinstance(value, str | int), f"{link.full_name} has no {name}"
            values.setdefault(container, {})[name] = value
    path, headers = values.get("path_parameters", {}), values.get("headers", {})
    return case_of(link.target, ids, path, **headers)


def call(case: Any, token: Token) -> Any:
    response = case.call(headers={"Authorization": f"Bearer {token.text}"})
    check(case, response, token)
    return response


@pytest.mark.slow
def test_linked_requests_match_the_schema(world: World) -> None:
    assert follow_each_link(world) == ([], REFUSED)
    run(state_machine(world, cycle(world.tokens)), scenarios=5, steps=8)


def follow_each_link(world: World) -> tuple[list[str], list[str]]:
    """Follow each link with another token, then with all permissions, in both tenants in turn.

    Returns the links that do not lead to a resource, and the operations that were refused.
    """
    tokens, useless, refused = cycle(world.tokens), list[str](), list[str]()
    crossed: set[str] = set()
    for source, ids in zip(sources(), cycle((world.own, world.foreign)), strict=False):
        with rolled_back():
            output = output_of(source.operation, ids, world)
            if output.response.status_code >= 400:
                refused.append(source.operation.label)
                continue
            for link in source.links:
                follow(link, output, ids, next(tokens))
                status = follow(link, output, ids, world.widest_for(link.target.path))
                if status in UNEXPECTED:
                    useless.append(f"{link.full_name}: {status}")
                if link.target.label not in crossed:
                    crossed.add(link.target.label)
                    assert_other_tenant_has_no_such_row(link, output, ids, world)
    return useless, refused


def assert_other_tenant_has_no_such_row(
    link: OpenApiLink, output: StepOutput, ids: dict[str, str], world: World
) -> None:
    """Send the request of the link to the other tenant, with the id of a row of this one."""
    other = world.own if ids is world.foreign else world.foreign
    case = followed(link, output, ids)
    has_row = names_row(link.target.path, case.path_parameters)
    if has_row and link.target.label not in SHARED:
        case.path_parameters["public_id"] = other["public_id"]
        case.headers["If-Match"] = "*"
        with rolled_back():
            response = call(case, world.widest_for(link.target.path))
        assert response.status_code >= 400, f"{link.target.label} changes or shows it"


def output_of(operation: Any, ids: dict[str, str], world: World) -> StepOutput:
    path = {each.name: ids[each.name] for each in operation.path_parameters}
    case = case_of(operation, ids, path, **{"If-Match": "*"})
    return StepOutput(call(case, world.widest_for(operation.path)), case)


def follow(link: OpenApiLink, output: StepOutput, ids: dict[str, str], token: Token) -> int:
    """The status of the response. Changes are undone."""
    with rolled_back():
        response = call(followed(link, output, ids), token)
    return int(response.status_code)


def state_machine(world: World, tokens: Iterator[Token]) -> Any:
    class Requests(schema().as_state_machine()):  # type: ignore[misc]  # built at run time
        """Each scenario has one token, and its changes are undone at its end."""

        def setup(self) -> None:
            self.token, self.steps = next(tokens), count()
            self.scenario = rolled_back()
            self.scenario.__enter__()

        def teardown(self) -> None:
            self.scenario.__exit__(None, None, None)

        def step(self, input: Any) -> StepOutput:  # noqa: A002  # the name in Schemathesis
            case = input.case
            turn = next(self.steps)
            ids = world.own if turn % 4 else world.foreign
            if input.transition is None:
                case.path_parameters = {name: ids[name] for name in case.path_parameters or {}}
            if turn % 2 and (body := example_of(case.operation, ids)) is not None:
                case.body, case.media_type = body
            return super().step(input)  # type: ignore[no-any-return]

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {self.token.text}"}}

        def validate_response(self, response: Any, case: Any, *args: Any, **kwargs: Any) -> None:
            check(case, response, self.token)
            stateful = [*CHECKS, use_after_free, ensure_resource_availability]
            case.validate_response(response, checks=stateful, recorder=self.recorder)

    return Requests


def run(machine: Any, *, scenarios: int, steps: int) -> None:
    options = settings(
        max_examples=scenarios,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=options)


@pytest.mark.nightly
def test_many_linked_requests_match_the_schema(world: World) -> None:
    for token in world.tokens:
        run(state_machine(world, cycle([token])), scenarios=40, steps=30)
