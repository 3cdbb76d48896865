"""The distribution of tests over two processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scheduling import TOGETHER, scope_of

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/drills/test_a.py::test_b", "tests/drills/"),
        ("tests/config/test_web_worker.py::test_b[1]", "tests/config/test_web_worker.py"),
        ("tests/config/test_run.py::test_b", "tests/config/test_run.py::test_b"),
    ],
)
def test_scope(nodeid: str, scope: str) -> None:
    assert scope_of(nodeid) == scope


@pytest.mark.parametrize("path", TOGETHER)
def test_path_exists(path: str) -> None:
    assert (CHECKOUT / path).exists()
