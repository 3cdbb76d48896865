"""Narrow screens, the order of the cutover room, and Back after a refused form."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.models import Cutover, Task
from tenants.models import Tenant, User
from tests.browser.conftest import OpenPage
from tests.cutovers import cutover_of
from tests.factories import RunCheck

TENANT_PAGES = ("plan-show", "domains", "requirements", "schedule", "monitoring", "people")


@pytest.fixture
def cutover(tenant: Tenant, consultant: User) -> Cutover:
    made = cutover_of(tenant, "outbound", timezone.now() + timedelta(days=9))
    Cutover.objects.filter(pk=made.pk).update(mimecast_approver=consultant)
    return made


def top_of(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.parametrize("width", [390, 768])
def test_readiness_follows_the_vote(
    open_page: OpenPage, tenant: Tenant, consultant: User, cutover: Cutover, width: int
) -> None:
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])
    page = open_page(consultant, address, width=width)

    titles = page.locator("main h2").all_inner_texts()
    assert titles.index("Readiness") == titles.index("Go / no-go") + 1
    # With blockers, the change sheet is the one main action.
    filled = page.locator("main [data-kind=main]:visible").all_inner_texts()
    assert filled == ["Change sheet"]


def test_wide_room_has_readiness_beside_the_board(
    open_page: OpenPage, tenant: Tenant, consultant: User, cutover: Cutover
) -> None:
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])
    page = open_page(consultant, address, width=1440)

    beside = top_of(page, ".cutover-room > .stack")
    assert abs(top_of(page, ".cutover-readiness") - beside) < 2


def test_chosen_check_moves_to_its_evidence(
    open_page: OpenPage, tenant: Tenant, consultant: User, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.FAIL)
    page = open_page(consultant, reverse("onboarding:domains", args=[tenant.public_id]), width=390)

    page.locator("a.cell[title^=SPF]").first.click()

    expect(page.locator("#evidence")).to_be_focused()
    expect(page.locator("#evidence")).to_be_in_viewport()


def test_bulk_bar_is_visible_after_selection(
    open_page: OpenPage, tenant: Tenant, consultant: User
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    for width in (390, 896):
        page = open_page(consultant, "/tenants/?show=all", width=width)
        expect(page.locator(".bulk-bar")).to_be_hidden()

        page.locator("[data-select]").first.check()

        expect(page.locator(".bulk-bar")).to_be_in_viewport(ratio=1)


def test_tabs_have_one_height(open_page: OpenPage, tenant: Tenant, consultant: User) -> None:
    page = open_page(consultant, "/")
    tops = {}
    for name in TENANT_PAGES:
        page.goto(reverse(f"onboarding:{name}", args=[tenant.public_id]))
        tops[name] = round(top_of(page, "nav.tabs"))

    assert len(set(tops.values())) == 1, tops


def test_bulk_form_counts_the_selected_tasks(
    open_page: OpenPage, tenant: Tenant, consultant: User
) -> None:
    page = open_page(consultant, reverse("onboarding:schedule", args=[tenant.public_id]))
    boxes = page.locator("input[data-row]")

    boxes.nth(0).check()
    boxes.nth(2).check()

    expect(page.locator(".schedule-bulk p").first).to_have_text("Selected tasks: 2")
    boxes.nth(0).uncheck()
    expect(page.locator(".schedule-bulk p").first).to_have_text("Selected tasks: 1")


def test_back_works_after_a_refused_form(
    open_page: OpenPage, tenant: Tenant, consultant: User
) -> None:
    Task.objects.filter(plan=tenant.plan).update(depends_on=[])
    form = reverse("onboarding:tenant-new")
    page = open_page(consultant, form)
    page.get_by_role("button", name="Scan DNS").click()
    expect(page.locator(".errorlist, [aria-invalid=true]").first).to_be_visible()

    page.goto(reverse("onboarding:tenant-list"))
    response = page.go_back()

    assert response is not None
    assert (response.status, response.request.method) == (200, "GET")
    expect(page.locator("h1")).to_have_text("New tenant")
