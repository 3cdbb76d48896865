"""Prints the plan template, and checks it on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from onboarding.blueprints.blueprint import (
    TEMPLATE_FILE,
    Blueprint,
    BlueprintError,
    TaskBlueprint,
    flat,
    load_blueprint,
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
            blueprint = load_blueprint(options["file"])
        except BlueprintError as error:
            # Not CommandError: its prefix would stand before the file name that editors jump to.
            self.stderr.write(str(error))
            raise SystemExit(1) from error
        if options["json"]:
            self.stdout.write(json.dumps(flat(blueprint), indent=2, ensure_ascii=False))
        else:
            self._write_table(blueprint)

    def _write_table(self, blueprint: Blueprint) -> None:
        width = max(len(_indented(task)) for task in blueprint.tasks)
        for number, phase in enumerate(blueprint.phases, start=1):
            self.stdout.write(self.style.MIGRATE_HEADING(f"{number}. {phase.title}"))
            for task in phase.tasks:
                self.stdout.write(f"{_indented(task):<{width}}  {_facts(task)}".rstrip())
            self.stdout.write("")
        self.stdout.write(f"Version {blueprint.version}, {len(blueprint.tasks)} tasks.")


def _indented(task: TaskBlueprint) -> str:
    return f"{'    ' if task.parent else '  '}{task.title}"


def _facts(task: TaskBlueprint) -> str:
    side = _SIDES[task.responsibility] if task.stated else "not stated"
    facts = [f"{side:<17}"]
    if task.waits:
        days = task.waits.days or "the agreed"
        facts.append(f"done {days} days after {task.waits.after}")
    if task.check:
        facts.append(f"proven by {task.check}")
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
