"""The template editor in Chromium, with all disclosures open."""

from __future__ import annotations

import pytest
from django.urls import reverse

from onboarding.plan_templates import drafts
from onboarding.plan_templates.registry import newest_template
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations

PLACES = [
    ("template-list", ()),
    ("template-draft", ()),
    ("template-task", ("mx-record-cutover",)),
    ("template-publish", ()),
]


@pytest.fixture
def draft(tenant: Tenant, consultant: User) -> None:
    newest = newest_template()
    assert newest is not None
    drafts.create_draft(newest, by=consultant)


@pytest.mark.usefixtures("draft")
@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 820),
        ("dark", 390),
        pytest.param("dark", 820, marks=pytest.mark.nightly),
    ],
)
@pytest.mark.parametrize(("name", "args"), PLACES)
def test_template_editor_is_accessible(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    consultant: User,
    name: str,
    args: tuple[str, ...],
    scheme: str,
    width: int,
) -> None:
    place = reverse(f"onboarding:{name}", args=args)
    page = open_page(consultant, place, scheme=scheme, width=width)
    page.eval_on_selector_all("main details", "rows => rows.forEach(row => (row.open = true))")

    assert violations(page) == []
    assert console_errors == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


@pytest.mark.usefixtures("draft")
def test_checkbox_target_size(open_page: OpenPage, consultant: User) -> None:
    page = open_page(consultant, reverse("onboarding:template-task", args=["mx-record-cutover"]))
    page.eval_on_selector_all("main details", "rows => rows.forEach(row => (row.open = true))")

    heights = page.eval_on_selector_all(
        ".choices label:has(input)", "rows => rows.map(row => row.getBoundingClientRect().height)"
    )

    # WCAG 2.2, 2.5.8: targets are at least 24 pixels high.
    assert len(heights) > 50
    assert min(heights) >= 24
