"""Hold what we believe against the truth of simulated worlds, with a new seed each time."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from checks.simulation.run import simulate

EXIT_WRONG = 1


class Command(BaseCommand):
    """`simulate --runs 10000 [--seed N]`; ends with 1 when anything was believed wrongly."""

    help = "Play simulated worlds with faults, and count wrong ticks, false alarms and lost checks."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--runs", type=int, default=10_000)
        parser.add_argument("--seed", type=int, help="play the same again; by default a new one")

    def handle(self, *args: Any, **options: Any) -> None:
        seed = options["seed"]
        if seed is None:
            seed = secrets.randbelow(2**32)
        # First, so that a run that is cut short can be played again.
        self.stdout.write(f"seed {seed}")
        counts = simulate(runs=options["runs"], seed=seed)
        self.stdout.write("\n".join(counts.lines))
        if not counts.is_clean:
            self.stdout.write("Something was believed that was not true.")
            sys.exit(EXIT_WRONG)
