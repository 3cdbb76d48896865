"""Fixtures of the browser tests: one Chromium, and a signed-in page for each user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tenants.models import User
from tests.browser.sample_world import NOW, SampleWorld, create_sample_world, served_lab
from tests.clock import frozen

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"

OpenPage = Callable[..., Page]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept-pictures", action="store_true", help="accept changed pictures")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright runs an event loop in this thread, but the ORM is called outside that loop.
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


class ConsoleErrors(list[str]):
    """Errors in the console of a page, and uncaught exceptions."""

    def add(self, entry: ConsoleMessage) -> None:
        self.append(f"{entry.text} {entry.location.get('url', '')}".strip())


@pytest.fixture
def console_errors() -> ConsoleErrors:
    return ConsoleErrors()


@pytest.fixture
def open_page(
    browser: Browser, live_server: Any, console_errors: ConsoleErrors
) -> Iterator[OpenPage]:
    """Open an address as a user (None: signed out), with a colour scheme and a width.

    `now` is the frozen time of the page's scripts.
    """
    contexts: list[BrowserContext] = []

    def open_as(
        user: User | None,
        address: str,
        *,
        scheme: Any = "light",
        width: int = 1360,
        now: datetime | None = None,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, base_url=live_server.url
        )
        contexts.append(context)
        if user is not None:
            sign_in_to(context, user, live_server.url)
        page = context.new_page()
        if now is not None:
            page.clock.set_fixed_time(now)
        page.on(
            "console",
            lambda entry: console_errors.add(entry) if entry.type == "error" else None,
        )
        page.on("pageerror", lambda error: console_errors.append(str(error)))
        page.goto(address)
        return page

    yield open_as
    for context in contexts:
        context.close()


@pytest.fixture
def sample_world(
    live_server: Any, transactional_db: None, tmp_path: Path, settings: Any
) -> Iterator[SampleWorld]:
    settings.FILES_DIR = tmp_path / "files"
    with served_lab(tmp_path / "lab", settings) as endpoints, frozen(NOW) as clock:
        # Playwright runs an event loop in this thread, and the checks need one of their own.
        with ThreadPoolExecutor(max_workers=1) as thread:
            world = thread.submit(create_sample_world, endpoints, clock).result()
            thread.submit(connections.close_all).result()
        yield world


def sign_in_to(context: BrowserContext, user: User, url: str) -> None:
    """Give the browser a new session of the user."""
    context.add_cookies([_session_of(user, url)])


def _session_of(user: User, url: str) -> Any:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    return {"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": url}


def violations(page: Page, *, every_impact: bool = False) -> list[str]:
    """The serious and critical faults that axe finds, or all. It runs in the debugger, outside the
    CSP."""
    page.evaluate(AXE.read_text())
    # By default, axe leaves out the size of targets (WCAG 2.5.8).
    rules = {"target-size": {"enabled": every_impact}}
    found = page.evaluate("(rules) => axe.run({ preload: false, rules })", rules)
    return [
        f"{fault['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for fault in found["violations"]
        if every_impact or fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
