"""Every action of the table in docs/reference/api.md, on the page and through the API.

Both requests begin with the same rows and must leave the same rows, also in the activity log. On
PostgreSQL, the requests of the API also follow the order of locks.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from tests.access_matrix import routes
from tests.access_tables import table_under
from tests.action_world import VALUES, ActionWorld, create_world
from tests.actions import Action, clients_of, discover
from tests.api.clients import ApiClient, client_for
from tests.api.row_effects import Rows, all_rows, effects_of
from tests.api.row_requests import ADDRESS, BODIES, NOT_COMPARED, OF_CLIENTS, PAGE_VALUES
from tests.clock import frozen
from tests.factories import MakeTenant
from tests.lock_order import LockOrder

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROWS = {
    row["action"].strip("`"): row["endpoint"]
    for row in table_under("Actions", DOCS / "reference" / "api.md")
}
# The endpoint of each action that has exactly one.
ENDPOINTS = {
    action: found[0]
    for action, cell in ROWS.items()
    if len(found := re.findall(r"`([^`]+)`", cell)) == 1
}
ROUTES = {route.name: route for route in routes()}
COMPARED = sorted(set(ENDPOINTS) - set(NOT_COMPARED))
# It locks only rows that it creates.
ANY_ORDER = {"onboarding:tenant-create"}
# A parameter of the endpoint that the page names otherwise.
_OTHER_NAMES = {"task_key": "key", "phase_key": "key", "source_key": "key"}


@pytest.mark.slow
def test_page_and_api_leave_equal_rows(
    make_tenant: MakeTenant, tmp_path: Path, settings: Any
) -> None:
    settings.FILES_DIR = tmp_path
    settings.LAB, settings.LAB_DIR = True, tmp_path / "lab"
    with frozen(timezone.now()):
        world = create_world(make_tenant)
        pages = clients_of(world.people)
        apis = {name: client_for(user, "administer") for name, user in world.people.items()}
        actions = _actions(world, pages)
        before = all_rows()
        wrong = {
            name: difference
            for name in COMPARED
            if (difference := _difference(actions.get(name), world, pages, apis, before))
        }

    assert wrong == {}


def test_exceptions_are_actions_of_the_table() -> None:
    assert set(NOT_COMPARED) <= set(ROWS)
    assert {*BODIES, *PAGE_VALUES} <= set(COMPARED)


def _actions(world: ActionWorld, clients: Mapping[str, Client]) -> dict[str, Action]:
    """The action of each compared row, with the data of the form of its page."""
    pages = [
        route
        for name, route in ROUTES.items()
        if name.startswith("onboarding:") and "token" not in route.params
    ]
    values = {**VALUES, **{name: of(world) for name, of in PAGE_VALUES.items()}}
    found: dict[str, Action] = {}
    for who, names in (("staff", {*COMPARED} - OF_CLIENTS), ("client", OF_CLIENTS)):
        chosen = {name: each for name, each in values.items() if name in names}
        people = {who: clients[who]}
        of_person = discover(pages, world.ids, people, chosen, world.ids_by_name)
        found |= {name: each for (name, _), each in of_person.items() if name in names}
    return found


def _difference(
    action: Action | None,
    world: ActionWorld,
    pages: Mapping[str, Client],
    apis: Mapping[str, ApiClient],
    before: Rows,
) -> Any:
    """The effects of the page and of the API; empty if they are equal."""
    if action is None:
        return "no page has the form"
    _, page = effects_of(functools.partial(action.send, pages[action.user]), before=before)
    order = LockOrder()
    with connection.execute_wrapper(order):
        request = _request(action, world, apis[action.user])
        response, api = effects_of(request, before=before)
    # SQLite has no row locks: there, the first UPDATE of a row would count as its lock.
    has_locks = connection.features.has_select_for_update and action.name not in ANY_ORDER
    violations = order.violations if has_locks else []
    if response.status_code < 300 and page == api and page and not violations:
        return ""
    only_page, only_api = _without(page, api), _without(api, page)
    return response.status_code, response.content[:300], only_page, only_api, violations


def _without(found: list[Any], others: list[Any]) -> list[Any]:
    return [each for each in found if each not in others]


def _request(action: Action, world: ActionWorld, api: ApiClient) -> Callable[[], Any]:
    method, name = ENDPOINTS[action.name].split()
    of_page = resolve(action.url.partition("?")[0]).kwargs
    ids = {**world.ids, **of_page}
    ids |= {each: of_page[other] for each, other in _OTHER_NAMES.items() if other in of_page}
    body = BODIES[action.name](dict(action.data), ids) if action.name in BODIES else {}
    ids |= body.pop(ADDRESS, {})
    url = reverse(name, kwargs={param: ids[param] for param in ROUTES[name].params})
    sent = None if method == "DELETE" else body
    return lambda: api.send(method, url, sent, If_Match="*")
