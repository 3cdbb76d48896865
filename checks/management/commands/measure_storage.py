"""Print the disk space of observations, and the projection for a year."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from checks.storage import measure


class Command(BaseCommand):
    """`measure_storage [--domains 10000] [--changes 12]`; PostgreSQL only."""

    help = "Measure the disk space of observations in this database, and project that of a year."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domains", type=int, default=10_000)
        parser.add_argument("--changes", type=int, default=12, help="of each domain, in a year")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("This command needs PostgreSQL.")
        found = measure()
        if not found.observations:
            raise CommandError("There are no observations to measure.")
        year = found.bytes_per_year(domains=options["domains"], changes=options["changes"])
        self.stdout.write(
            f"{found.observations} observations take {found.observation_bytes:,} bytes with their "
            f"raw answers and indexes, {found.observation_bytes // found.observations} each; "
            f"{found.checks} checks take {found.check_bytes:,}."
        )
        self.stdout.write(
            f"A year of {options['domains']:,} domains with {options['changes']} changes of "
            f"each: {year / 1e9:.2f} GB."
        )
