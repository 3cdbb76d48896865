"""The product of the drills. One product serves most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.drill import Drill
from tests.drills.start import started


@pytest.fixture(scope="package")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    with started(tmp_path_factory.mktemp("drill")) as made:
        yield made


@pytest.fixture(scope="module")
def own_drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A product for one module that leaves it loaded."""
    with started(tmp_path_factory.mktemp("drill")) as made:
        yield made
