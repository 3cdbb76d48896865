"""Accepting residual risks, signing off and the pages after it, in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.closings import STATEMENT, closed_implementation, decide_all


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Any, settings: Any) -> None:
    settings.FILES_DIR = tmp_path / "files"


def test_walk_from_the_risks_to_the_closed_plan(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    tenant: Tenant,
    owner: User,
    consultant: User,
) -> None:
    decide_all(tenant)
    address = reverse("onboarding:closing", args=[tenant.public_id])
    page = open_page(consultant, address)
    page.get_by_role("button", name="Accept risk").first.click()
    assert page.get_by_text("Enter a reason. The closing pack contains it.").count() == 1
    while (number := page.get_by_label("Reason for accepting this risk").count()) > 0:
        page.get_by_label("Reason for accepting this risk").first.fill("The client knows it.")
        page.get_by_role("button", name="Accept risk").first.click()
        assert page.get_by_label("Reason for accepting this risk").count() == number - 1

    for user in (consultant, owner):
        page = open_page(user, address)
        page.get_by_label("Statement that the implementation is complete").fill(STATEMENT)
        page.get_by_role("button", name="Sign off the implementation").click()
    assert page.get_by_text("Raise cases with Mimecast customer support").is_visible()

    for user, name, width in (
        (owner, "my-tasks", 390),
        (owner, "closing", 820),
        (consultant, "plan-show", 1360),
        (consultant, "my-tasks", 1360),
    ):
        page = open_page(user, reverse(f"onboarding:{name}", args=[tenant.public_id]), width=width)
        assert page.get_by_text("Raise cases with Mimecast customer support").is_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    # The refused form without a reason is the only response with an error status.
    assert [error for error in console_errors if "422" not in error] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_closed_home_is_accessible(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    tenant: Tenant,
    owner: User,
    consultant: User,
    width: int,
    scheme: str,
) -> None:
    closed_implementation(tenant, owner, consultant)
    page = open_page(owner, reverse("onboarding:home"), width=width, scheme=scheme)

    headings = page.get_by_role("heading", level=2).all_inner_texts()

    assert headings == [
        "Signed off by both sides",
        "Gangway still monitors",
        "Accepted residual risks",
    ]
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert console_errors == []
    page.get_by_role("link", name="monitoring", exact=True).click()
    page.wait_for_url("**/monitoring/")
