"""The plan templates on record: one row for each version, its text in the file of that version."""

from __future__ import annotations

from pathlib import Path

from onboarding.blueprint import Blueprint, load_blueprint
from onboarding.models import PlanTemplate

TEMPLATES_DIR = Path(__file__).parent / "plan_templates"


def blueprint_of(template: PlanTemplate) -> Blueprint:
    return load_blueprint(TEMPLATES_DIR / f"mimecast-{template.version}.yaml")


def newest_template() -> PlanTemplate | None:
    return PlanTemplate.objects.order_by("-version").first()


def put_templates_on_record() -> list[PlanTemplate]:
    """A row for every template file; BlueprintError names file, line and reason of a malformed one.

    A version is never altered once it is released: plans rest on it. A change is a new file.
    """
    return [
        PlanTemplate.objects.get_or_create(version=load_blueprint(path).version)[0]
        for path in sorted(TEMPLATES_DIR.glob("mimecast-*.yaml"))
    ]
