"""Check that no line of an activity log was altered or removed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.log_verification import Head, LogReport, compare_with, read_heads, verify_logs
from tenants.models import Tenant
from tenants.visible_text import visible


class Command(BaseCommand):
    help = (
        "Check every activity log from its first line to its last, and print a head for each: the "
        "log's id, its number of lines, the last hash, the tenant. Store the output elsewhere: an "
        "attacker who can rewrite the whole database cannot rewrite that. The exit status is 1 if "
        "a log was altered or is missing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--against",
            action="append",
            default=[],
            metavar="FILE",
            help="also compare the logs with the heads in this file: an earlier output of this "
            "command, the text of a nightly e-mail, or heads.txt of a closing pack (repeatable)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        published = [head for name in options["against"] for head in _heads_in(Path(name))]
        names = dict(Tenant.objects.values_list("public_id", "name"))
        faults = 0
        for report in verify_logs():
            faults += self._print(report, names)
        for report in compare_with(published):
            faults += self._print(report, names)
        if published:
            self.stdout.write(f"# {len(published)} published heads compared")
        if faults:
            raise CommandError("An activity log was altered or is missing.")

    def _print(self, report: LogReport, names: dict[str, str]) -> int:
        """Print the head of a log, or its fault. Returns the number of faults."""
        name = visible(names.get(report.scope, ""))
        if report.fault:
            self.stderr.write(f"{name or report.scope}: {report.fault}.")
            return 1
        if report.length:
            head = Head(report.scope, report.length, report.head)
            self.stdout.write(f"{head} {name}".rstrip())
        return 0


def _heads_in(path: Path) -> list[Head]:
    """Raises CommandError if the file cannot be read, or contains no head."""
    try:
        heads = read_heads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if not heads:
        raise CommandError(f"{path} contains no head: “<id> <lines> <hash>” at a line's start.")
    return heads
