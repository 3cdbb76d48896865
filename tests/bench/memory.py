"""The bar P8: the memory of a worker over many runs.

A real worker with its beat runs every check again and again, against NSD, and records the answers
in PostgreSQL. The memory of a process is its resident memory: a page that it first shares with its
parent and then writes to counts once.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from django.db.models import Sum

from checks.models import Check, Observation
from tenants import database_time
from tests.bench.bars import Bar
from tests.bench.path import workers
from tests.bench.recording import create_tenants
from tests.bench.world import served
from tests.drills.servers import own_redis

DOMAINS, QUICK_DOMAINS = 400, 40
RUNS, QUICK_RUNS, WARM_UP_RUNS = 1_000_000, 1_200, 50_000
SAMPLES = 40
_MOST_SECONDS_A_PASS = 600


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _runs() -> int:
    return Observation.objects.aggregate(total=Sum("runs"))["total"] or 0


def _run_all() -> None:
    """Make every check due, and wait until each has run."""
    began = database_time.now(is_fresh=True)
    active = Check.objects.filter(is_active=True)
    active.update(next_due_at=began)
    until = time.monotonic() + _MOST_SECONDS_A_PASS
    while active.filter(next_due_at__lte=began).exists():
        if time.monotonic() > until:
            raise TimeoutError("the worker did not run every check")
        time.sleep(0.1)


def _samples(pids: Sequence[int], runs: int) -> list[tuple[int, list[int]]]:
    """The number of runs and the bytes of each process, SAMPLES times, until `runs`."""
    found: list[tuple[int, list[int]]] = []
    while (done := _runs()) < runs:
        if not found or done >= (len(found) + 1) * runs / SAMPLES:
            found.append((done, [_resident_bytes(pid) for pid in pids]))
            megabytes = ", ".join(f"{size / 1e6:.1f}" for size in found[-1][1])
            print(f"  {done:9} runs: {megabytes} MB", flush=True)
        _run_all()
    return [*found, (done, [_resident_bytes(pid) for pid in pids])]


def growth(samples: Sequence[tuple[int, list[int]]], warm_up: int) -> float:
    """The largest memory after the warm-up, against the first sample after it; the worst process.

    Raises ValueError if no sample is after the warm-up.
    """
    after = [sizes for done, sizes in samples if done >= warm_up]
    if not after:
        raise ValueError(f"no sample after {warm_up} runs")
    ratios: list[float] = [max(sizes) / sizes[0] for sizes in zip(*after, strict=True)]
    return max(ratios)


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of runs, with those of the warm-up: a twentieth, at least 50,000."""
    runs = options.size or (QUICK_RUNS if options.quick else RUNS)
    warm_up = min(max(WARM_UP_RUNS, runs // 20), runs // 2)
    with (
        tempfile.TemporaryDirectory(prefix="gangway-bench-") as name,
        own_redis(Path(name)) as redis,
    ):
        folder = Path(name)
        (zones := folder / "zones").mkdir()
        with served(zones, QUICK_DOMAINS if options.quick else DOMAINS) as world:
            create_tenants(world.domains)
            with workers(world, folder, redis.port) as (checks_worker, *_):
                _run_all()
                pids = _children(checks_worker.pid)
                began = time.monotonic()
                samples = _samples(pids, runs)
                # A process that was replaced would hide its growth.
                assert _children(checks_worker.pid) == pids
                print(f"{runs} runs by {len(pids)} processes: {time.monotonic() - began:.0f} s")
    worst = growth(samples, warm_up)
    return [Bar(f"P8 memory after {warm_up} runs, largest against first", worst, 1.05)]
