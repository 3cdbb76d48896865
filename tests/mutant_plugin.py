"""A pytest plugin for mutation tests: each run starts with empty caches and the fastest tests.

mutmut runs all tests once, and forks a process for each mutant. A cached result of the unchanged
code would hide the change. The first test that fails ends the run, so that most runs create no
database.
"""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

PACKAGES = ("checks", "config", "onboarding", "tenants")


def pytest_sessionstart() -> None:
    """Clear the caches of the functions of every loaded module of the product."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in PACKAGES:
            clear_caches(module)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests without a database first."""
    items.sort(key=lambda item: "db" in getattr(item, "fixturenames", ()))


def clear_caches(module: ModuleType) -> None:
    """Clear each `functools` cache that is an attribute of the module."""
    for value in list(vars(module).values()):
        clear = getattr(value, "cache_clear", None)
        if callable(clear) and not isinstance(value, type):
            clear()
