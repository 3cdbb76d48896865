"""The main pages on the sample data, compared with the last accepted pictures.

`make screenshots` stores all pictures in `var/screenshots`; with `ARGS=--accept-pictures` they
become the accepted set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, expect

from tests.browser.conftest import OpenPage
from tests.browser.main_pages import MAIN_PAGES, MainPage
from tests.browser.pictures import ACCEPTED, PictureComparer, picture_of
from tests.browser.sample_world import SampleWorld

pytestmark = pytest.mark.nightly

WIDTHS = (390, 768, 1440)
SCHEMES = ("light", "dark")
ALL = tuple((width, scheme) for width in WIDTHS for scheme in SCHEMES)


@pytest.fixture
def comparer(browser: Browser) -> Iterator[PictureComparer]:
    comparer = PictureComparer(browser)
    yield comparer
    comparer.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder of the pictures that a person looks at."""
    folder = django_settings.BASE_DIR / "var" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_main_pages_are_as_accepted(
    open_page: OpenPage,
    comparer: PictureComparer,
    sample_world: SampleWorld,
    screenshots: Path,
    request: pytest.FixtureRequest,
) -> None:
    is_accepted = request.config.getoption("--accept-pictures", default=False)
    changed = {}
    for each in MAIN_PAGES:
        for width, scheme in ALL:
            name = f"{each.name}-{width}-{scheme}"
            picture = _picture(open_page, sample_world, each, width, scheme)
            (screenshots / f"{name}.png").write_bytes(picture)
            accepted = ACCEPTED / f"{name}.webp"
            comparison = comparer.compare(picture, accepted)
            if comparison.changes and is_accepted:
                ACCEPTED.mkdir(parents=True, exist_ok=True)
                accepted.write_bytes(comparison.reduced)
            elif comparison.changes:
                changed[name] = comparison.changes[:5]

    assert changed == {}, "see var/screenshots; `make screenshots ARGS=--accept-pictures` accepts"


def _picture(
    open_page: OpenPage, world: SampleWorld, main_page: MainPage, width: int, scheme: str
) -> bytes:
    user = world.people[main_page.role]
    page = open_page(user, main_page.address(world), scheme=scheme, width=width, now=world.now)
    expect(page.locator("h1").first).to_be_visible()
    picture = picture_of(page)
    page.context.close()
    return picture


def test_accepted_pictures_are_those_of_the_pages() -> None:
    names = {f"{each.name}-{w}-{scheme}.webp" for each in MAIN_PAGES for w, scheme in ALL}

    assert {file.name for file in ACCEPTED.iterdir()} == names


def test_changed_place_is_found(
    browser: Browser, comparer: PictureComparer, tmp_path: Path
) -> None:
    page = browser.new_page(viewport={"width": 400, "height": 200})
    page.set_content("<p style='font: 16px sans-serif'>Check now</p>")
    accepted = tmp_path / "page.webp"
    accepted.write_bytes(comparer.compare(picture_of(page), accepted).reduced)

    same = comparer.compare(picture_of(page), accepted)
    page.set_content("<p style='font: 16px sans-serif'>Check MX!</p>")
    other = comparer.compare(picture_of(page), accepted)
    page.set_content("<p style='font: 16px sans-serif; color: #b00'>Check now</p>")
    red = comparer.compare(picture_of(page), accepted)
    page.close()

    assert (same.changes, bool(other.changes), bool(red.changes)) == ([], True, True)
