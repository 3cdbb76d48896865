"""The bar P2: the whole path from a due check to an updated plan, against checkdmarc.

Real processes: PostgreSQL, Redis, NSD, the beat, and the workers of the queue *checks*. The first
pass opens every observation and evaluates every plan; the repeat pass finds the same answers.
checkdmarc runs in one process for each core. It checks SPF, MX and DMARC; Gangway checks all kinds
that need no message and no host.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Q

from checks.models import Check
from onboarding.models import Task
from tenants import database_time
from tests.bench import engine_measures
from tests.bench.bars import Bar
from tests.bench.recording import create_tenants
from tests.bench.world import RESOLVER, World, served
from tests.drills.servers import HOST, own_redis

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CORES = os.cpu_count() or 1
REPEAT_PASSES = 3
PEER_DOMAINS = 150
_MOST_SECONDS = 1800


@dataclass(frozen=True)
class Pass:
    """One run of every check by the workers."""

    domains: int
    checks: int
    questions: int
    seconds: float

    @property
    def domains_per_second(self) -> float:
        return self.domains / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.domains} domains, {self.checks} checks in {self.seconds:.1f} s:"
            f" {self.domains_per_second:.0f} domains/s, {self.checks / self.seconds:.0f} checks/s,"
            f" {self.questions / self.domains:.1f} questions a domain"
        )


# Checks are due when the measurement requests it.
_NEVER_DUE = dict.fromkeys(
    ("CHECKS_SETTLING_SECONDS", "CHECKS_UNSETTLED_SECONDS", "CHECKS_IDLE_SECONDS"), "86400"
)


@contextlib.contextmanager
def workers(
    world: World,
    folder: Path,
    redis_port: int,
    intervals: Mapping[str, str] = _NEVER_DUE,
    **settings: str,
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The beat and the workers, which query the served domains. The first runs the checks."""
    environment = os.environ | {
        "CELERY_BROKER_URL": f"redis://{HOST}:{redis_port}/0",
        "REDIS_URL": f"redis://{HOST}:{redis_port}/1",
        "CHECKS_NAMESERVERS": f"{RESOLVER}:{world.port}",
        "CHECKS_AUTHORITATIVE_PORT": str(world.port),
        "CHECKS_ALLOWED_NETWORKS": "127.53.0.0/24",
        **intervals,
        **settings,
    }
    celery = [sys.executable, "-m", "celery", "-A", "config"]
    worker = [*celery, "worker", "-O", "fair", "--without-gossip", "--without-mingle"]
    commands = [
        [*worker, "-n", "checks@%h", "-Q", "checks.default", "-c", str(CORES)],
        [*worker, "-n", "interactive@%h", "-Q", "interactive.default,windows.default", "-c", "1"],
        [*celery, "beat", "--pidfile=", "--schedule", str(folder / "beat")],
    ]
    with open(folder / "workers.log", "wb") as log, contextlib.ExitStack() as stack:
        started = []
        for command in commands:
            process = subprocess.Popen(
                command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log
            )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            started.append(process)
        yield started


def _measure(world: World) -> Pass:
    """Make every check due, and wait until each has run and its tenant's plan is up to date."""
    began, before = database_time.now(is_fresh=True), world.answered()
    count = Check.objects.filter(is_active=True).update(next_due_at=began)
    until = time.monotonic() + _MOST_SECONDS
    is_open = Q(checked_at=None) | Q(checked_at__lt=began) | Q(unevaluated_since__isnull=False)
    while Check.objects.filter(is_open, is_active=True).exists():
        if time.monotonic() > until:
            raise TimeoutError("the workers did not run every check")
        time.sleep(0.1)
    seconds = (database_time.now() - began).total_seconds()
    return Pass(len(world.domains), count, world.answered() - before, seconds)


def _peer(world: World, python: Path, *, domains: int) -> float:
    """The domains/s of checkdmarc in one process for each core; the faster of two settings."""
    rates = []
    for threads in (1, 8):
        parts = [world.domains[core::CORES][: domains // CORES] for core in range(CORES)]
        with ThreadPoolExecutor(CORES) as pool:
            started = [
                pool.submit(engine_measures.peer, world, part, python, threads) for part in parts
            ]
            runs = [each.result() for each in started]
        rates.append(sum(run.domains for run in runs) / max(run.seconds for run in runs))
        print(
            f"checkdmarc, {CORES} processes, threads in each: {threads}: {rates[-1]:.0f} domains/s"
        )
    return max(rates)


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of domains."""
    domains = options.size or (60 if options.quick else 10_000)
    with (
        tempfile.TemporaryDirectory(prefix="gangway-bench-") as name,
        own_redis(Path(name)) as redis,
    ):
        folder = Path(name)
        (zones := folder / "zones").mkdir()
        python = (
            Path(options.peer)
            if options.peer
            else engine_measures.peer_environment(folder / "peer")
        )
        with served(zones, domains) as world:
            create_tenants(world.domains)
            with workers(world, folder, redis.port):
                first = _measure(world)
                print(f"first pass   {first}")
                # A second equal answer settles a FAIL, and changes the state of the check.
                _measure(world)
                repeats = [_measure(world) for _ in range(1 if options.quick else REPEAT_PASSES)]
            for each in repeats:
                print(f"repeat pass  {each}")
            theirs = _peer(world, python, domains=min(PEER_DOMAINS, domains))
    print(f"{Task.objects.exclude(verified_at=None).count()} tasks verified")
    repeat = statistics.median(each.domains_per_second for each in repeats)
    return [
        Bar("P2 domains/s of the repeat pass", repeat / theirs, 3, at_least=True),
        Bar(
            "P2 domains/s of the first pass", first.domains_per_second / theirs, 1.5, at_least=True
        ),
    ]
