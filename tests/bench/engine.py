"""The bars P1 and P3: the engine against checkdmarc and against bare datagrams."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import engine_measures as measures
from tests.bench.bars import Bar
from tests.bench.engine_measures import Measured
from tests.bench.world import World, served


@dataclass(frozen=True)
class Size:
    """The size of a measurement: more domains are more precise and slower."""

    domains: int
    peer_domains: int
    rounds: int


WHOLE, QUICK = Size(10_000, 150, 3), Size(60, 6, 1)
PEER_THREADS = (1, 8)


@dataclass(frozen=True)
class Report:
    """The parts of one run, and the bars computed from them."""

    engine: Sequence[Measured]
    bare: Sequence[Measured]
    peer: Sequence[tuple[int, Measured]]

    @property
    def fastest_peer(self) -> Measured:
        return max((run for _, run in self.peer), key=lambda run: run.domains_per_second)

    @property
    def bars(self) -> list[Bar]:
        domains = statistics.median(run.domains_per_second for run in self.engine)
        questions = statistics.median(run.questions_per_second for run in self.engine)
        # The pair of one round: other load of the machine affects both equally.
        shares = [e.seconds / b.seconds for e, b in zip(self.engine, self.bare, strict=True)]
        theirs = self.fastest_peer
        return [
            Bar("P1 domains/s against checkdmarc", domains / theirs.domains_per_second, 10, True),
            Bar(
                "P1 questions/s against checkdmarc",
                questions / theirs.questions_per_second,
                9,
                True,
            ),
            Bar("P3 time against bare datagrams", statistics.median(shares), 4, False),
        ]

    @property
    def by_cpu(self) -> str:
        """The same ratios by CPU time, which other load of the machine distorts less."""
        ours = statistics.median(run.cpu_seconds / run.domains for run in self.engine)
        each = statistics.median(run.cpu_seconds / run.questions for run in self.engine)
        bare = statistics.median(run.cpu_seconds / run.domains for run in self.bare)
        theirs = min(run.cpu_seconds / run.domains for _, run in self.peer)
        theirs_each = min(run.cpu_seconds / run.questions for _, run in self.peer)
        return (
            f"By CPU time: {theirs / ours:.1f} times checkdmarc's domains,"
            f" {theirs_each / each:.1f} times its questions, {ours / bare:.1f} times bare datagrams"
        )

    def lines(self) -> list[str]:
        return [
            *(f"engine          {run}" for run in self.engine),
            *(f"bare datagrams  {run}" for run in self.bare),
            *(
                f"checkdmarc, {threads} thread{'s' * (threads > 1)}: {run}"
                for threads, run in self.peer
            ),
            "",
            self.by_cpu,
        ]


def measure(world: World, size: Size, python: Path) -> Report:
    sent = measures.questions_of(world)
    rounds = [(measures.engine(world), measures.bare(world, sent)) for _ in range(size.rounds)]
    step = len(world.domains) // (size.peer_domains * len(PEER_THREADS))
    samples = [world.domains[n::step][: size.peer_domains] for n in range(len(PEER_THREADS))]
    theirs = [
        (threads, measures.peer(world, sample, python, threads))
        for threads, sample in zip(PEER_THREADS, samples, strict=True)
    ]
    return Report([e for e, _ in rounds], [b for _, b in rounds], theirs)


def run(options: argparse.Namespace) -> list[Bar]:
    """Serve the domains, print the parts, and return the bars."""
    size = QUICK if options.quick else WHOLE
    if options.size:
        size = replace(size, domains=max(options.size, 2 * size.peer_domains))
    with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder:
        (zones := Path(folder) / "zones").mkdir()
        existing = Path(options.peer) if options.peer else None
        python = existing or measures.peer_environment(Path(folder) / "peer")
        with served(zones, size.domains) as world:
            report = measure(world, size, python)
    print(f"checkdmarc checks {size.peer_domains} domains: SPF, MX and DMARC, no DKIM.")
    print("\n".join(report.lines()))
    return report.bars
