"""Every parser of outside data accepts any bytes: its documented error, or a result, in time.

CI tries a few examples of each parser, `make nightly` many. atheris follows the branches of the
code (tests/coverage_fuzzing.py), which reaches deeper than random pieces.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzed_parsers import PARSERS, attempt
from tests.project_files import CHECKOUT

# For each parser. `FUZZ_SECONDS` lengthens a run.
COVERAGE_SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))


def check(name: str, examples: int) -> None:
    parser = PARSERS[name]
    part = st.sampled_from(parser.pieces) | st.binary(max_size=12)

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(part, max_size=24), st.integers(1, 40))
    def run(parts: list[bytes], times: int) -> None:
        attempt(parser, b"".join(parts) * times)

    run()


@pytest.mark.parametrize("name", [name for name, parser in PARSERS.items() if parser.errors])
def test_seeds_are_accepted(name: str) -> None:
    parser = PARSERS[name]

    assert [bool(parser.parse(seed)) for seed in parser.seeds] == [True] * len(parser.seeds)
    assert parser.seeds


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_parser_accepts_any_bytes(name: str) -> None:
    check(name, 100)


@pytest.mark.nightly
@pytest.mark.parametrize("name", PARSERS)
def test_parser_accepts_any_bytes_at_length(name: str) -> None:
    check(name, 20_000)


@pytest.mark.nightly
@pytest.mark.parametrize("name", PARSERS)
def test_coverage_guided_input_is_parsed(name: str, tmp_path: Path) -> None:
    options = [f"-max_total_time={COVERAGE_SECONDS}", "-max_len=4096", "-timeout=10"]

    done = subprocess.run(
        [sys.executable, "-m", "tests.coverage_fuzzing", name, str(tmp_path), *options],
        cwd=CHECKOUT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    # Inputs that reached new branches were stored: the code was instrumented.
    grown = [file for file in (tmp_path / "corpus").iterdir() if "seed" not in file.name]
    assert len(grown) > 3, done.stderr[-1000:]
