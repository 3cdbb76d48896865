"""No page cuts a part of its content, on the screen and on paper."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from playwright.sync_api import Page

from checks.engine.outcomes import CheckKind
from checks.models import Check
from tests.browser.conftest import OpenPage
from tests.browser.main_pages import MAIN_PAGES
from tests.browser.sample_world import SampleWorld

WIDTHS = (390, 768, 1024, 1100, 1280, 1440, 1600)
# A4 in landscape without its margins.
PAPER_WIDTH = 1032

# Elements that hide a part of their content, and table cells whose content covers the next cell.
CUT = """() => {
  const hides = (e) => ["hidden", "clip"].includes(getComputedStyle(e).overflowX);
  return [...document.querySelectorAll("body *")]
    .filter((e) => !e.closest(".visually-hidden, svg") && e.checkVisibility() && e.clientWidth)
    .filter((e) => e.scrollWidth > e.clientWidth + 1 && (hides(e) || e.matches("td, th")))
    .map((e) => `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 40)}`);
}"""


def _addresses(world: SampleWorld) -> Iterator[tuple[str, str]]:
    """The role and the address of each page."""
    for each in MAIN_PAGES:
        yield each.role, each.address(world)
    yield "manager", reverse("onboarding:dashboard") + "?calendar=quarter"
    yield "manager", reverse("onboarding:dashboard-forecasts")
    check = Check.objects.get(
        tenant=world.northwind, kind=CheckKind.SPF, domain__name="northwind-co.test"
    )
    domains = reverse("onboarding:domains", args=[world.northwind.public_id])
    yield "consultant", f"{domains}?check={check.public_id}"


def _cut_at(page: Page, width: int, media: str) -> list[str]:
    page.emulate_media(media="print" if media == "print" else "screen")
    page.set_viewport_size({"width": width, "height": 900})
    found: list[str] = page.evaluate(CUT)
    return found


def test_no_page_cuts_its_content(open_page: OpenPage, sample_world: SampleWorld) -> None:
    pages: dict[str, Page] = {}
    faults = {}
    for role, address in _addresses(sample_world):
        if role not in pages:
            pages[role] = open_page(
                sample_world.people[role], address, now=sample_world.now, width=1280
            )
        page = pages[role]
        page.goto(address)
        for width in WIDTHS:
            if found := _cut_at(page, width, "screen"):
                faults[f"{address} {width}"] = found
        if found := _cut_at(page, PAPER_WIDTH, "print"):
            faults[f"{address} on paper"] = found

    assert faults == {}
