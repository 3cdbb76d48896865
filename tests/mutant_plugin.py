"""A pytest plugin for mutation tests: each run starts with empty caches and the fastest tests.

mutmut runs all tests once, and forks a process for each mutant. A cached result of the unchanged
code would hide the change. The first test that fails ends the run. The test database is in memory,
so that each process has a copy of the first one.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from django.test import utils as test_utils
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from mutmut.state import state

PACKAGES = ("checks", "config", "onboarding", "tenants")


# Without the search for the simplest failing example, which no person reads.
hypothesis_settings.register_profile(
    "mutants", deadline=None, database=None, phases=[Phase.explicit, Phase.generate]
)


_create_databases = test_utils.setup_databases
_created: list[Any] = []


def _databases_once(*arguments: Any, **options: Any) -> Any:
    if not _created:
        _created.append(_create_databases(*arguments, **options))
    return _created[0]


def pytest_configure() -> None:
    """Create the test database in the first run only."""
    test_utils.setup_databases = _databases_once
    test_utils.teardown_databases = lambda *arguments, **options: None


def pytest_sessionstart() -> None:
    """Clear the caches of the functions of every loaded module of the product."""
    hypothesis_settings.load_profile("mutants")
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in PACKAGES:
            clear_caches(module)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests without a database first, and of these the fast ones first."""
    seconds = state().duration_by_test

    def cost(item: pytest.Item) -> tuple[bool, float]:
        return "db" in getattr(item, "fixturenames", ()), seconds.get(item.nodeid, 0.0)

    items.sort(key=cost)


def clear_caches(module: ModuleType) -> None:
    """Clear each `functools` cache that is an attribute of the module."""
    for value in list(vars(module).values()):
        clear = getattr(value, "cache_clear", None)
        if callable(clear) and not isinstance(value, type):
            clear()
