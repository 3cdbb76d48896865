"""Compare two archives of a tenant."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onboarding.errors import OnboardingError
from onboarding.lifecycle.archive.comparison import differences


class Command(BaseCommand):
    help = (
        "Compare the archive of a tenant with an archive that was exported after its import. The "
        "second may have more activity lines at its end. The exit status is 1 if they differ."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("first", type=Path)
        parser.add_argument("second", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with options["first"].open("rb") as first, options["second"].open("rb") as second:
                found = differences(first, second)
        except (OnboardingError, OSError) as error:
            raise CommandError(str(error)) from error
        for sentence in found:
            self.stdout.write(sentence)
        if found:
            raise CommandError("The archives differ.")
        self.stdout.write("The archives are equal.")
