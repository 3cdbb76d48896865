"""The parts of the bench that need a database, in a small form: shape, queries and ratios.

The margins are wide, because CI shares its machine. `make bench` compares with the bars.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.bench.__main__ import PARTS
from tests.bench.memory import growth
from tests.interop.processes import program

pytestmark = pytest.mark.interop

SMALL = ("recording", "storage", "memory", "together", "migration")
# Measured in another test, or too long for CI.
ELSEWHERE = {
    *("engine", "pages", "search", "path", "growth", "start"),
    *("api", "latency", "open_pages", "feeds"),
}


def test_every_part_has_a_small_form() -> None:
    assert set(SMALL) | ELSEWHERE == set(PARTS)


def test_small_form_reaches_wide_margins() -> None:
    program("nsd", "nsd")
    program("redis-server", "redis-server")
    command = [sys.executable, "-m", "tests.bench", *SMALL, "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)

    # Status 1: a busy machine misses a bar.
    assert done.returncode in (0, 1), done.stderr
    shown = r"^(?:met   |MISSED) ((?:P\d+|migration:) .+): (-?[\d.]+) \(at"
    bars = re.findall(shown, done.stdout, re.MULTILINE)
    found = {name: float(value) for name, value in bars}
    measured = {name.partition(" ")[0] for name in found}
    assert measured == {"P8", "P9", "P11", "P12", "migration:"}, done.stderr
    assert found["P11 queries of an unchanged run"] < 1
    assert found["P11 bytes of WAL"] < 2_500
    assert found["P9 indexes that no query needs"] == 0
    assert found["P9 GB a year, 10,000 domains"] < 2
    assert found["P9 space of a domain at the larger size"] < 1.2
    assert next(value for name, value in found.items() if name.startswith("P8")) < 1.3
    assert max(value for name, value in found.items() if name.startswith("migration")) < 3
    errors = [name for name in found if "deadlocks" in name or "server errors" in name]
    assert {name: found[name] for name in errors} == dict.fromkeys(errors, 0)
    assert len(errors) == 4


def test_memory_compares_after_warm_up() -> None:
    samples = [(0, [50, 50]), (10, [100, 100]), (20, [104, 99]), (30, [102, 101])]

    assert growth(samples, 10) == 1.04


def test_memory_without_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="no sample after 10 runs"):
        growth([(0, [50])], 10)
