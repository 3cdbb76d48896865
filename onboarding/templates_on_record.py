"""The plan templates that are loaded, read back as blueprints."""

from __future__ import annotations

import functools
from pathlib import Path

from onboarding.blueprint import Blueprint, parse_blueprint
from onboarding.models import PlanTemplate

TEMPLATES_DIR = Path(__file__).parent / "plan_templates"


@functools.lru_cache(maxsize=16)
def _parsed(version: int, text: str) -> Blueprint:
    return parse_blueprint(text, name=f"plan template version {version}")


def blueprint_of(template: PlanTemplate) -> Blueprint:
    return _parsed(template.version, template.text)


def load_templates() -> list[PlanTemplate]:
    """Put every template file on record. A version that plans may rest on is never altered."""
    loaded = []
    for path in sorted(TEMPLATES_DIR.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        version = parse_blueprint(text, name=path.name).version
        template, _ = PlanTemplate.objects.get_or_create(version=version, defaults={"text": text})
        loaded.append(template)
    return loaded
