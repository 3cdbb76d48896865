"""No page moves its content while it loads, or when it updates (Cumulative Layout Shift)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from tenants.models import Tenant, User
from tests.browser.conftest import OpenPage
from tests.browser.layout_shifts import shifts_of
from tests.cutovers import cutover_of
from tests.factories import RunCheck

PAGES = {
    "consultant": (
        "desk",
        "tenant-list",
        "tenant-create",
        "plan-show",
        "domains",
        "requirements",
        "cutovers",
        "schedule",
        "monitoring",
        "people",
        "cutover-room",
    ),
    "manager": ("dashboard", "tenant-list"),
    "owner": ("my-tasks", "plan-show", "domains"),
    "signed-out": ("account_login",),
}
WITHOUT_TENANT = ("desk", "tenant-list", "tenant-create", "dashboard", "account_login")


@pytest.fixture
def addresses(tenant: Tenant, run_check: RunCheck) -> dict[str, str]:
    run_check(tenant, CheckKind.SPF, Verdict.FAIL)
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=9))
    names = {name for of_role in PAGES.values() for name in of_role}
    return {
        name: reverse(
            name if "_" in name else f"onboarding:{name}",
            args=_parameters(name, tenant.public_id, cutover.public_id),
        )
        for name in names
    }


def _parameters(name: str, tenant_id: str, cutover_id: str) -> list[str]:
    if name in WITHOUT_TENANT:
        return []
    return [tenant_id, cutover_id] if name == "cutover-room" else [tenant_id]


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("role", PAGES)
def test_no_page_shifts(
    open_page: OpenPage,
    request: pytest.FixtureRequest,
    addresses: dict[str, str],
    role: str,
    width: int,
) -> None:
    person: User | None = None if role == "signed-out" else request.getfixturevalue(role)
    page = open_page(person, "/static/img/logo.svg", width=width)

    shifts = {name: shifts_of(page, addresses[name]) for name in PAGES[role]}

    assert {name: found for name, found in shifts.items() if found} == {}


LATE = """<!doctype html><title>Late</title>
<main><p id="late" hidden>A notice</p><h1>Title</h1></main>
<script type="module" src="/late.js"></script>"""
SCRIPT = "document.getElementById('late').hidden = false;"


def test_late_element_is_measured(open_page: OpenPage) -> None:
    page = open_page(None, "/static/img/logo.svg")
    page.route("**/late/", lambda route: route.fulfill(body=LATE, content_type="text/html"))
    page.route(
        "**/late.js", lambda route: route.fulfill(body=SCRIPT, content_type="text/javascript")
    )

    (shift,) = shifts_of(page, "/late/")

    assert float(shift.split()[0]) > 0
