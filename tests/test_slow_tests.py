"""The list of slow tests names functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import slow_tests

CHECKOUT = Path(__file__).resolve().parent.parent


def test_listed_functions_exist() -> None:
    missing = []
    for name in sorted(slow_tests.listed()):
        module, _, function = name.partition("::")
        file = CHECKOUT / module
        last = function.rpartition("::")[2]
        if not file.is_file() or not re.search(rf"def {last}\(", file.read_text()):
            missing.append(name)

    assert missing == []


def test_list_is_sorted_without_the_access_matrix() -> None:
    lines = slow_tests.LIST.read_text().splitlines()

    assert lines == sorted(set(lines))
    assert not any(line.startswith(slow_tests.ALWAYS_RUN) for line in lines)


@pytest.mark.parametrize("nodeid", ["a.py::test_b", "a.py::test_b[1]", "a.py::test_b[x[y]]"])
def test_function_has_no_parameters(nodeid: str) -> None:
    assert slow_tests.function_of(nodeid) == "a.py::test_b"
