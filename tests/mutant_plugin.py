"""A pytest plugin for mutation tests: empty caches for each test, and the fastest tests first.

mutmut runs all tests once, and forks a process for each mutant. A cached result of the unchanged
code would hide the change, or that a test runs the changed function. The first test that fails ends
the run. The test database is in memory, so that each process has a copy of the first one.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
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
    hypothesis_settings.load_profile("mutants")


def pytest_runtest_setup() -> None:
    """Clear the caches of the functions of every loaded module of the product."""
    for clear in _caches(len(sys.modules)):
        clear()


@functools.cache
def _caches(modules: int) -> list[Callable[[], None]]:
    """Return the caches to clear; again after the number of loaded modules has changed."""
    loaded = [m for name, m in sys.modules.items() if name.partition(".")[0] in PACKAGES]
    return [clear for module in loaded for clear in caches_of(module)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests without a database first, and of these the fast ones first."""
    seconds = state().duration_by_test

    def cost(item: pytest.Item) -> tuple[bool, float]:
        return "db" in getattr(item, "fixturenames", ()), seconds.get(item.nodeid, 0.0)

    items.sort(key=cost)


def caches_of(module: ModuleType) -> list[Callable[[], None]]:
    """Return what clears each `functools` cache that is an attribute of the module."""
    functions = [value for value in vars(module).values() if not isinstance(value, type)]
    clears = (getattr(function, "cache_clear", None) for function in functions)
    return [clear for clear in clears if callable(clear)]
