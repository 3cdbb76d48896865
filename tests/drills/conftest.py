"""The product of the drills. One product serves most of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills.drill import Drill
from tests.drills.start import started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With two processes, one of them runs all drills, so that one product starts."""
    folder = Path(__file__).parent
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("drills"))


@pytest.fixture(scope="package")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    with started(tmp_path_factory.mktemp("drill")) as made:
        yield made


@pytest.fixture(scope="module")
def own_drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A product for one module that leaves it loaded."""
    with started(tmp_path_factory.mktemp("drill")) as made:
        yield made
