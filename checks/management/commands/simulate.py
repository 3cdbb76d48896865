"""Compare settled verdicts with the ground truth of simulated worlds, with a new seed each time."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from checks.simulation.run import simulate

EXIT_WRONG = 1


class Command(BaseCommand):
    """`simulate --runs 10000 [--seed N]`; exit status 1 after any wrong settled verdict."""

    help = "Play simulated worlds with faults, and count wrong ticks, false alarms and lost checks."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--runs", type=int, default=10_000)
        parser.add_argument("--seed", type=int, help="repeat a simulation; default: a new seed")

    def handle(self, *args: Any, **options: Any) -> None:
        seed = options["seed"]
        if seed is None:
            seed = secrets.randbelow(2**32)
        # Printed first, so that an interrupted run can be repeated.
        self.stdout.write(f"seed {seed}")
        counts = simulate(runs=options["runs"], seed=seed)
        self.stdout.write("\n".join(counts.lines))
        if not counts.is_clean:
            self.stdout.write("A settled verdict was wrong.")
            sys.exit(EXIT_WRONG)
