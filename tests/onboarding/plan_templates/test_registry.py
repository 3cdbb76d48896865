"""Tests of the stored versions and of the version for new plans."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.models import PlanTemplate
from onboarding.plan_templates.content import ContentError, as_content, read_content
from onboarding.plan_templates.registry import (
    TEMPLATES_DIR,
    newest_template,
    register_builtin_templates,
    template_version_of,
)
from onboarding.plan_templates.template_version import load_template_file
from tests.factories import MakeTenant

FILES = sorted(TEMPLATES_DIR.glob("mimecast-*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_content_round_trips(path: Any) -> None:
    version = load_template_file(path)

    assert read_content(as_content(version)) == version


def test_stored_version_equals_its_file(db: None) -> None:
    register_builtin_templates()

    for template, path in zip(PlanTemplate.objects.order_by("version"), FILES, strict=True):
        stored, read = template_version_of(template), load_template_file(path)
        assert stored == read
        assert list(stored.products) == list(read.products)


def test_new_plans_use_the_newest_version(make_tenant: MakeTenant) -> None:
    older = make_tenant("Older")
    shipped = older.plan.template
    PlanTemplate.objects.create(version=shipped.version + 1, content=shipped.content, note="Ours")

    newer = make_tenant("Newer")

    assert newer.plan.template.version == shipped.version + 1


def test_file_with_used_number_gets_the_next(
    db: None,
) -> None:
    PlanTemplate.objects.all().delete()
    first = load_template_file(FILES[0])
    PlanTemplate.objects.create(version=1, builtin_version=1, content=as_content(first))
    theirs = PlanTemplate.objects.create(version=2, content=as_content(first), note="Ours")

    register_builtin_templates()
    register_builtin_templates()

    assert list(
        PlanTemplate.objects.order_by("version").values_list("version", "builtin_version")
    ) == [
        (1, 1),
        (2, None),
        *((number + 1, number) for number in range(2, len(FILES) + 1)),
    ]
    assert newest_template() == theirs


def test_version_without_content_reads_its_file(db: None) -> None:
    PlanTemplate.objects.all().delete()
    template = PlanTemplate.objects.create(version=1, builtin_version=1)
    before = template_version_of(template)

    register_builtin_templates()
    template.refresh_from_db()

    assert template.content
    assert template_version_of(template) == before


def test_content_error_has_its_location() -> None:
    content = as_content(load_template_file(FILES[0]))
    content["phases"][0]["tasks"][1]["depends_on"] = ["training", "nowhere"]

    with pytest.raises(ContentError, match="depends on “nowhere”, which does not exist") as refused:
        read_content(content)

    assert refused.value.place == ("phases", 0, "tasks", 1, "depends_on", 1)
