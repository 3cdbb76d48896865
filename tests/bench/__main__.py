"""Measure the bars of docs/topics/performance.md. The exit status is 1 when one is missed.

`python -m tests.bench` measures all parts, `python -m tests.bench recording --size 2000` one part.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.bench.bars import Bar
from tests.bench.database import empty_database, own_database
from tests.bench.world import NotInstalled


@dataclass(frozen=True)
class Part:
    """A module of this package, the bars that it measures, and whether it needs a database."""

    bars: str
    needs_database: bool = True


PARTS = {
    "engine": Part("P1, P3", needs_database=False),
    "path": Part("P2"),
    "recording": Part("P11"),
    "growth": Part("P6 without searches"),
    "pages": Part("P4, P5, P14"),
    "api": Part("the list of 50 tasks"),
    "search": Part("P6, the part of searches"),
    "memory": Part("P8"),
    "storage": Part("P9"),
    "together": Part("P12"),
    "migration": Part("locks of the newest migrations"),
    "open_pages": Part("P10"),
    "latency": Part("P7"),
    "start": Part("P13", needs_database=False),
    "feeds": Part("no bar: NOTIFY against Redis"),
}


def measure(name: str, options: argparse.Namespace) -> list[Bar]:
    """Measure one part, in an empty database."""
    part = PARTS[name]
    print(f"\n{name} ({part.bars})")
    if part.needs_database:
        empty_database()
    bars: list[Bar] = importlib.import_module(f"tests.bench.{name}").run(options)
    for bar in bars:
        print(bar)
    return bars


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parts = ", ".join(f"{name} ({part.bars})" for name, part in PARTS.items())
    parser.add_argument("parts", nargs="*", help=f"the parts to measure: {parts}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="a small size that only proves that it runs"
    )
    parser.add_argument("--size", type=int, help="the size, in the unit of the part")
    parser.add_argument(
        "--peer", metavar="PYTHON", help="the Python of an environment with checkdmarc"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    cores, python = os.cpu_count(), platform.python_version()
    print(f"{datetime.now(UTC):%d %b %Y}, {cores} cores, Python {python}")
    chosen = options.parts or list(PARTS)
    needs_database = any(PARTS[name].needs_database for name in chosen)
    try:
        with own_database() if needs_database else nullcontext():
            bars = [bar for name in chosen for bar in measure(name, options)]
    except NotInstalled as error:
        sys.stderr.write(f"{error}\n")
        return 69
    return int(not all(bar.is_met for bar in bars))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
