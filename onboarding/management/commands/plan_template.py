"""Check and print the plan template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from onboarding.plan_templates.template_version import (
    TEMPLATE_FILE,
    TaskDefinition,
    TemplateError,
    TemplateVersion,
    flat,
    load_template_file,
)

_SIDES = {"mimecast": "Mimecast", "client": "Client", "both": "Mimecast + Client"}


class Command(BaseCommand):
    help = "Print the plan template: its phases and tasks, in the article's order."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one flat JSON list")
        parser.add_argument(
            "--file", type=Path, default=TEMPLATE_FILE, help="another template to read"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            template_version = load_template_file(options["file"])
        except TemplateError as error:
            # Not CommandError: its prefix would hide the file name from editors.
            self.stderr.write(str(error))
            raise SystemExit(1) from error
        if options["json"]:
            self.stdout.write(json.dumps(flat(template_version), indent=2, ensure_ascii=False))
        else:
            self._write_table(template_version)

    def _write_table(self, template_version: TemplateVersion) -> None:
        width = max(len(_indented(task)) for task in template_version.tasks)
        for number, phase in enumerate(template_version.phases, start=1):
            self.stdout.write(self.style.MIGRATE_HEADING(f"{number}. {phase.title}"))
            for task in phase.tasks:
                self.stdout.write(f"{_indented(task):<{width}}  {_facts(task)}".rstrip())
            self.stdout.write("")
        self.stdout.write(
            f"Version {template_version.version}, {len(template_version.tasks)} tasks."
        )


def _indented(task: TaskDefinition) -> str:
    return f"{'    ' if task.parent else '  '}{task.title}"


def _facts(task: TaskDefinition) -> str:
    side = _SIDES[task.responsibility] if task.stated else "not stated"
    facts = [f"{side:<17}"]
    if task.waits:
        days = task.waits.days or "the agreed"
        facts.append(f"done {days} days after {task.waits.after}")
    if task.check:
        facts.append(f"verified by {task.check}")
    facts += [
        word
        for word, is_so in (
            ("per domain", task.per_domain),
            ("conditional", task.applies_when is not None),
            ("optional", task.optional),
            ("gate", task.gate is not None),
        )
        if is_so
    ]
    return "  ".join(facts)
