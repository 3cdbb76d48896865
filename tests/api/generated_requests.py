"""Requests that Schemathesis generates from the schema, for tokens of every role and scope.

Two tenants have one object of each kind. A request is a failure of the API if its response

- is a server error, or is not in the schema, or
- contains the name, the domain or an id of a tenant that the token cannot reach.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache as cache_result
from typing import Any

import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from tenants.models import Tenant, User
from tenants.rest.schema import SCHEMA
from tests.access_matrix import CLIENT_ROLES, OF_INSTALLATION, create_one_of_each, create_person
from tests.api import people_examples
from tests.api.clients import client_for
from tests.api.examples import body_of, filled, uploads_of
from tests.factories import MakeTenant

ROLES = ("administrator", "consultant", "manager", *CLIENT_ROLES, "outsider")
SCOPES = ("read", "write", "administer")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Parameters of addresses below a tenant whose values are equal for all tenants.
_NAMES = frozenset({"public_id", "kind", "transition", "source_name", *OF_INSTALLATION})


@dataclass(frozen=True)
class Token:
    """A token with the texts that no response to it may contain."""

    role: str
    scope: str
    is_of_one_tenant: bool
    text: str
    hidden: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.role} {self.scope}{' of one tenant' if self.is_of_one_tenant else ''}"


@dataclass(frozen=True)
class World:
    """Two tenants, with the ids of their objects by URL parameter, and the tokens."""

    own: dict[str, str]
    foreign: dict[str, str]
    tokens: tuple[Token, ...]

    def widest_for(self, path: str) -> Token:
        """A token that may send every request to the address, and reads the sample objects."""
        role = "administrator" if people_examples.is_for_administrators(path) else "consultant"
        return next(each for each in self.tokens if str(each) == f"{role} administer")


def create_world(make_tenant: MakeTenant, consultant: User) -> World:
    tenants = [
        make_tenant(name, domains=((domain, "primary"),))
        for name, domain in (("Quillfeather", "quillfeather.test"), ("Marrowby", "marrowby.test"))
    ]
    foreign, own = tenants
    ids = [create_one_of_each(tenant, consultant) for tenant in tenants]
    for tenant in tenants:
        people_examples.prepare(tenant)
    texts = [(each.name, each.domains.get().name, each.public_id) for each in tenants]
    shared = {name: ids[1][name] for name in OF_INSTALLATION}
    return World(ids[1], ids[0] | shared, tuple(_tokens(own, foreign, consultant, texts)))


def _tokens(
    own: Tenant, foreign: Tenant, consultant: User, texts: Sequence[tuple[str, ...]]
) -> Iterator[Token]:
    for role in ROLES:
        person = create_person(role, own, foreign, consultant)
        # The sample objects are those of this consultant.
        person = consultant if role == "consultant" else person
        assert person is not None, "every role has a person"
        reached, hidden = (foreign, texts[1]) if role == "outsider" else (own, texts[0])
        for scope in SCOPES:
            for only in (None, reached):
                text = client_for(person, scope, only).token
                is_limited = only is not None or role in (*CLIENT_ROLES, "outsider")
                yield Token(role, scope, only is not None, text, hidden if is_limited else ())


@cache_result
def schema() -> Any:
    found = schemathesis.openapi.from_dict(json.loads(SCHEMA.read_text(encoding="utf-8")))
    found.app = application
    return found


@cache_result
def operations() -> tuple[Any, ...]:
    # The client of Schemathesis does not close the file of a download.
    found = [each.ok() for each in schema().get_all_operations()]
    return tuple(each for each in found if not each.path.endswith("/content/"))


def example_of(operation: Any, ids: dict[str, str]) -> tuple[Any, str] | None:
    """The example of a body with these ids, and its media type; None without one."""
    body = body_of(operation.method, operation.path)
    if body is None:
        return None
    is_form = uploads_of(operation.method, operation.path) is not None
    return filled(body, ids), "multipart/form-data" if is_form else "application/json"


def check(case: Any, response: Any, token: Token) -> None:
    """Raise AssertionError for a failure of the API, with the request as a curl command."""
    case.validate_response(response, checks=CHECKS)
    shown = [each for each in token.hidden if each in response.text]
    assert shown == [], f"{token}: {case.as_curl_command()} shows {shown}"


def names_row(path: str, parameters: dict[str, str]) -> bool:
    """Whether the address below a tenant has the id of a row of that tenant."""
    return "{public_id}" in path and bool(parameters.keys() - _NAMES)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo the changes of the requests, and forget their counters."""
    cache.clear()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def one_connection() -> Iterator[None]:
    """Requests must not close the connection of the test's transaction, as Django's client."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    logging.disable(logging.WARNING)  # one line for each refusal
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for signal in signals:
            signal.connect(close_old_connections)
