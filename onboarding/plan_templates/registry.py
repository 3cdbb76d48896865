"""The stored versions of the plan template.

Gangway ships versions in files, and people publish others. A stored version never changes, because
plans depend on it: each change is a new version.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from django.db.models import Max

from onboarding.models import Plan, PlanTemplate
from onboarding.plan_templates.content import as_content, read_content
from onboarding.plan_templates.template_version import TemplateVersion, load_template_file

TEMPLATES_DIR = Path(__file__).parent / "data"


def template_version_of(template: PlanTemplate) -> TemplateVersion:
    if not template.content:
        # Stored before versions had content. `register_builtin_templates` adds the content.
        return load_template_file(TEMPLATES_DIR / f"mimecast-{template.builtin_version}.yaml")
    return replace(read_content(template.content), version=template.version)


def newest_template() -> PlanTemplate | None:
    """The version for new plans: the newest that a person published, otherwise the newest shipped.

    A version shipped with an update must not override the decisions of this installation. It is
    stored, and a draft can be based on it.
    """
    # A version of an imported tenant is none of this installation's decisions.
    newest_first = PlanTemplate.objects.filter(is_imported=False).order_by("-version")
    return newest_first.filter(builtin_version=None).first() or newest_first.first()


def plan_and_newer_version(plan: Plan) -> tuple[int, int | None]:
    """A plan's version, and the version for new plans if that is newer. One query."""
    rows = list(
        PlanTemplate.objects.order_by("-version").values_list(
            "pk", "version", "builtin_version", "is_imported"
        )
    )
    own = next(version for pk, version, *_ in rows if pk == plan.template_id)
    ours = [row for row in rows if not row[3]]
    published = [version for _, version, builtin_version, _ in ours if builtin_version is None]
    newest = next(iter(published), ours[0][1] if ours else own)
    return own, newest if newest > own else None


def next_version() -> int:
    return int(PlanTemplate.objects.aggregate(last=Max("version"))["last"] or 0) + 1


def register_builtin_templates() -> list[PlanTemplate]:
    """Store every template file as a version. Raises TemplateError.

    If a published version already has the number of a file, the file gets the next free number.
    """
    ours = [load_template_file(path) for path in TEMPLATES_DIR.glob("mimecast-*.yaml")]
    return [
        _put(template_version) for template_version in sorted(ours, key=lambda each: each.version)
    ]


def _put(template_version: TemplateVersion) -> PlanTemplate:
    stored = PlanTemplate.objects.filter(builtin_version=template_version.version).first()
    if stored is None:
        version = max(template_version.version, next_version())
        return PlanTemplate.objects.create(
            version=version,
            builtin_version=template_version.version,
            content=as_content(template_version),
            note="Shipped with Gangway.",
        )
    if not stored.content:
        stored.content, stored.note = as_content(template_version), "Shipped with Gangway."
        stored.save(update_fields=["content", "note"])
    return stored
