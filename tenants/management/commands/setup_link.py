"""Print the link that creates the first administrator."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tenants.installation_setup.administrators import FirstAdministratorError, setup_link


class Command(BaseCommand):
    help = (
        "Print a link that creates the account of the first administrator in the browser. It works "
        "for an hour, and only while the installation has no administrator."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--site",
            default=settings.SITE_URL,
            help="the address of Gangway, such as https://gangway.example (default: SITE_URL)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["site"]:
            raise CommandError("Set SITE_URL, or pass --site https://gangway.example.")
        try:
            self.stdout.write(setup_link(options["site"].rstrip("/")))
        except FirstAdministratorError as error:
            raise CommandError(str(error)) from error
