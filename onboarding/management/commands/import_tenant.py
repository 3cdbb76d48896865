"""Verify the archive of a tenant from another installation, and import it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onboarding.errors import OnboardingError
from onboarding.lifecycle.archive.importing import digest_of_file, import_archive
from onboarding.lifecycle.archive.preview import preview_of
from onboarding.management.commands.export_tenant import administrator


class Command(BaseCommand):
    help = (
        "Verify an archive of export_tenant or of the page “Close and export”, and import it in "
        "one transaction. The tenant arrives closed: no check runs before a person reopens it."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--by", help="the e-mail address of an administrator")
        parser.add_argument("--sha256", default="", help="refuse an archive with another SHA-256")
        parser.add_argument("--check", action="store_true", help="verify it, and import nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with options["file"].open("rb") as file:
                sha256 = digest_of_file(file)
                if options["sha256"] and options["sha256"].lower() != sha256:
                    raise CommandError(f"The archive has the SHA-256 {sha256}.")
                file.seek(0)
                if options["check"]:
                    self._print(preview_of(file), sha256)
                    return
                by = administrator(options["by"] or "")
                tenant = import_archive(file, sha256=sha256, by=by)
        except (OnboardingError, OSError) as error:
            raise CommandError(f"{error} Nothing was imported.") from error
        self.stdout.write(f"Imported {tenant} with the id {tenant.public_id}.")

    def _print(self, report: dict[str, Any], sha256: str) -> None:
        self.stdout.write(f"{report['name']}: SHA-256 {sha256}")
        for table, number in report["rows"].items():
            self.stdout.write(f"  {table} {number}")
        if report["refusal"]:
            raise CommandError(report["refusal"])
