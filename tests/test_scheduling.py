"""The distribution of tests over two processes."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from tests.scheduling import SHARED, TOGETHER, WITH_SERVERS, scope_of

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/drills/test_a.py::test_b", "tests/drills/"),
        ("tests/config/test_web_worker.py::test_b[1]", "tests/config/test_web_worker.py"),
        ("tests/interop/test_hosts.py::test_b[1]", "addresses"),
        ("tests/interop/test_vantages.py::test_b", "addresses"),
        ("tests/interop/test_waiting_requests.py::test_b", "live"),
        ("tests/interop/test_a.py::test_b[1]", "tests/interop/test_a.py"),
        ("tests/scenarios/test_concurrency.py::test_b", "tests/scenarios/test_concurrency.py"),
        ("tests/browser/test_pages.py::test_b[1]", "tests/browser/test_pages.py::test_b[1]"),
        ("tests/config/test_run.py::test_b", "tests/config/test_run.py"),
        ("tests/config/test_gunicorn.py::test_b", "tests/config/test_gunicorn.py::test_b"),
    ],
)
def test_scope(nodeid: str, scope: str) -> None:
    assert scope_of(nodeid) == scope


@pytest.mark.parametrize("path", [*TOGETHER, *WITH_SERVERS, *chain(*SHARED.values())])
def test_path_exists(path: str) -> None:
    assert (CHECKOUT / path).exists()


def test_tests_with_servers_are_in_their_modules() -> None:
    """`make test-all` collects these modules only, which is faster than the whole tree."""
    marked = [
        path.relative_to(CHECKOUT).as_posix()
        for path in (CHECKOUT / "tests").rglob("test_*.py")
        if re.search(r"mark\.(interop|browser)\b", path.read_text())
    ]

    assert marked
    assert [path for path in marked if not path.startswith((*WITH_SERVERS, "tests/browser/"))] == []


def test_modules_with_fixed_addresses_share_a_process() -> None:
    """A server on an address of its own network, in its module or in a helper of it."""
    helpers = r"tests\.interop\.(?:name_servers|hosts) import|tests\.bench\.world import"
    fixed = [
        path.relative_to(CHECKOUT).as_posix()
        for path in (CHECKOUT / "tests" / "interop").glob("test_*.py")
        if re.search(rf'{helpers}|"127\.(?!0\.0\.1")|"10\.\d', path.read_text())
    ]

    assert len(fixed) > 5
    assert [path for path in fixed if path not in SHARED["addresses"]] == []
