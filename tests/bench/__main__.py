"""Print the bars P1 and P3 with their parts; the exit status is 1 when one is missed."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import measures
from tests.bench.measures import Measured
from tests.bench.world import NotInstalled, World, served


@dataclass(frozen=True)
class Size:
    """The size of a measurement: more domains are more precise and slower."""

    domains: int
    peer_domains: int
    rounds: int


WHOLE, QUICK = Size(10_000, 150, 3), Size(60, 6, 1)
PEER_THREADS = (1, 8)


@dataclass(frozen=True)
class Bar:
    """One ratio and its target."""

    name: str
    ratio: float
    bar: float
    at_least: bool

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar

    def __str__(self) -> str:
        wanted = f"at {'least' if self.at_least else 'most'} {self.bar:g}"
        return f"{'met   ' if self.is_met else 'MISSED'} {self.name}: {self.ratio:.2f} ({wanted})"


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
            Bar("P1 domains/s against checkdmarc", domains / theirs.domains_per_second, 40, True),
            Bar(
                "P1 questions/s against checkdmarc",
                questions / theirs.questions_per_second,
                15,
                True,
            ),
            Bar("P3 time against bare datagrams", statistics.median(shares), 3, False),
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
            *(str(bar) for bar in self.bars),
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


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a small size that only proves that it runs"
    )
    parser.add_argument("--domains", type=int, help="the number of domains, at least 300")
    parser.add_argument(
        "--peer", metavar="PYTHON", help="the Python of an environment with checkdmarc"
    )
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else WHOLE
    if options.domains:
        size = replace(size, domains=max(options.domains, 2 * size.peer_domains))
    with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder:
        (zones := Path(folder) / "zones").mkdir()
        try:
            existing = Path(options.peer) if options.peer else None
            python = existing or measures.peer_environment(Path(folder) / "peer")
            with served(zones, size.domains) as world:
                report = measure(world, size, python)
        except NotInstalled as error:
            sys.stderr.write(f"{error}\n")
            return 69
    sample = f"checkdmarc checks {size.peer_domains} of them: SPF, MX and DMARC, no DKIM."
    sys.stdout.write(f"{size.domains} domains. {sample}\n" + "\n".join(report.lines()) + "\n")
    return int(not all(bar.is_met for bar in report.bars))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
