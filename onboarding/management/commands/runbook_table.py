"""Print the table of docs/reference/runbooks.md from the plan template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from onboarding.plan_templates.runbook_table import markdown
from onboarding.plan_templates.template_version import (
    TEMPLATE_FILE,
    TemplateError,
    load_template_file,
)


class Command(BaseCommand):
    help = "Print the instructions of the plan template by task and platform, in Markdown."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--file", type=Path, default=TEMPLATE_FILE, help="another template to read"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            template = load_template_file(options["file"])
        except TemplateError as error:
            # Not CommandError: its prefix would hide the file name from editors.
            self.stderr.write(str(error))
            raise SystemExit(1) from error
        self.stdout.write(markdown(template), ending="")
