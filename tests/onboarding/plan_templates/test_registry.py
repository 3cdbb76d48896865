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
def test_a_version_says_on_record_what_its_file_says(path: Any) -> None:
    blueprint = load_template_file(path)

    assert read_content(as_content(blueprint)) == blueprint


def test_the_database_keeps_every_word_and_the_order_of_products(db: None) -> None:
    register_builtin_templates()

    for template, path in zip(PlanTemplate.objects.order_by("version"), FILES, strict=True):
        kept, read = template_version_of(template), load_template_file(path)
        assert kept == read
        assert list(kept.products) == list(read.products)


def test_new_plans_take_the_newest_and_older_plans_keep_theirs(make_tenant: MakeTenant) -> None:
    older = make_tenant("Older")
    content = PlanTemplate.objects.get(version=2).content
    PlanTemplate.objects.create(version=3, content=content, note="Ours")

    newer = make_tenant("Newer")

    assert (older.plan.template.version, newer.plan.template.version) == (2, 3)


def test_a_file_whose_number_people_took_is_put_behind_and_does_not_replace_theirs(
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
        (3, 2),
    ]
    assert newest_template() == theirs


def test_a_version_from_before_is_read_from_its_file_until_it_is_filled_in(db: None) -> None:
    PlanTemplate.objects.all().delete()
    template = PlanTemplate.objects.create(version=1, builtin_version=1)
    before = template_version_of(template)

    register_builtin_templates()
    template.refresh_from_db()

    assert template.content
    assert template_version_of(template) == before


def test_what_is_wrong_with_content_is_said_with_its_place() -> None:
    content = as_content(load_template_file(FILES[0]))
    content["phases"][0]["tasks"][1]["depends_on"] = ["training", "nowhere"]

    with pytest.raises(ContentError, match="depends on “nowhere”, which does not exist") as refused:
        read_content(content)

    assert refused.value.place == ("phases", 0, "tasks", 1, "depends_on", 1)
