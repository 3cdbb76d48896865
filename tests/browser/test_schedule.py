"""The Gantt chart on screen and on paper, in Chromium."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize

from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.cutovers import cutover_of

# A4 landscape without its margins, in CSS pixels.
PAPER: ViewportSize = {"width": 1032, "height": 703}
# Each vertical part of a line that reaches an edge of its row, by the row and the place.
_PARTS = """
rows => rows.map(row => {
  const box = row.querySelector("td > svg").getBoundingClientRect();
  return [...row.querySelectorAll(".gantt-link")]
    .map(line => line.getBoundingClientRect())
    .filter(line => line.width < 1 && line.height > 0)
    .map(line => ({
      x: Math.round(line.x),
      up: Math.abs(line.top - box.top) < 1,
      down: Math.abs(line.bottom - box.bottom) < 1,
    }));
})
"""


@pytest.fixture
def address(tenant: Tenant) -> str:
    cutover_of(tenant, "outbound", timezone.now() + timedelta(days=3))
    return reverse("onboarding:schedule", args=[tenant.public_id])


def _gaps(page: Page) -> list[int]:
    """The rows whose lines do not continue in the next one."""
    rows: list[list[dict[str, Any]]] = page.eval_on_selector_all(".gantt tbody tr", _PARTS)
    assert sum(map(len, rows)) > 10
    return [
        number
        for number, (upper, lower) in enumerate(pairwise(rows))
        if sorted(each["x"] for each in upper if each["down"])
        != sorted(each["x"] for each in lower if each["up"])
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_schedule_is_accessible(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    consultant: User,
    address: str,
    width: int,
    scheme: str,
) -> None:
    page = open_page(consultant, address, width=width, scheme=scheme)

    assert _gaps(page) == []
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert console_errors == []


def test_paper_has_the_whole_chart(open_page: OpenPage, consultant: User, address: str) -> None:
    page = open_page(consultant, address, scheme="dark")
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)

    chart = page.locator(".gantt").evaluate(
        "table => [table.scrollWidth, table.parentElement.clientWidth]"
    )

    assert _gaps(page) == []
    assert chart[0] <= chart[1]
    assert page.get_by_role("columnheader", name="Forecast").is_visible()
