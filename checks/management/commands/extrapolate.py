"""Print the needs of large installations, computed from the measured costs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from checks import scaling


class Command(BaseCommand):
    """`extrapolate [--costs FILE]`; the tables of docs/topics/scaling.md, in Markdown."""

    help = "Print the needs of large installations, computed from the measured costs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--costs", type=Path, default=scaling.COSTS_FILE, help="another file with costs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(scaling.markdown(scaling.load_costs(options["costs"])), ending="")
