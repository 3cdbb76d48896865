"""Marks the tests that `tests/slow_tests.txt` lists as slow, so that `make test` stays short.

`--record-slow` adds the functions of a run whose tests take SECONDS or more on average:
`.venv/bin/python -m pytest -n 2 --record-slow`. The tests of one function stay together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("slow_tests.txt")
# On two busy cores. A usual core takes two thirds of it.
SECONDS = 0.08
# The access matrix is the test of the isolation between tenants: `make test` always runs it.
ALWAYS_RUN = ("tests/test_isolation.py",)


def function_of(nodeid: str) -> str:
    """The function of a test, without its parameters."""
    return nodeid.partition("[")[0]


def listed() -> set[str]:
    return set(LIST.read_text(encoding="utf-8").split())


class _Recorder:
    def __init__(self) -> None:
        self._seconds: defaultdict[str, defaultdict[str, float]] = defaultdict(
            lambda: defaultdict(float)
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[function_of(report.nodeid)][report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        means = {name: sum(s.values()) / len(s) for name, s in self._seconds.items()}
        write(listed() | {name for name, mean in means.items() if mean >= SECONDS})


def write(functions: Iterable[str]) -> None:
    names = sorted(name for name in functions if not name.startswith(ALWAYS_RUN))
    LIST.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-slow", action="store_true", help="add to tests/slow_tests.txt")


def pytest_configure(config: pytest.Config) -> None:
    # The processes of pytest-xdist send their reports to the first process.
    if config.getoption("--record-slow") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = listed()
    for item in items:
        if function_of(item.nodeid) in slow:
            item.add_marker(pytest.mark.slow)
