"""The walk of tests/scenarios/walk.py in Chromium: its pages, forms and invitations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.urls import resolve, reverse
from playwright.sync_api import Locator, Page

from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, sign_in_to
from tests.factories import TOKEN
from tests.scenarios.mail_hosts import OWN_NAME
from tests.scenarios.pages import Pages
from tests.scenarios.scenario import NORTHWIND, Scenario
from tests.scenarios.walk import Profile

PASSWORD = "correct battery staple horse"


class BrowserPages(Pages):
    """Sends every form in Chromium, from the page that offers it.

    Unless `is_whole`, only the first form of each kind and person. Django's test client sends the
    others.
    """

    def __init__(
        self,
        scenario: Scenario,
        open_page: OpenPage,
        console_errors: ConsoleErrors,
        url: str,
        *,
        is_whole: bool,
    ) -> None:
        super().__init__(scenario)
        self._is_whole = is_whole
        self._open_page, self._console_errors, self._url = open_page, console_errors, url
        self._pages: dict[int, Page] = {}
        self._signed_in: set[tuple[int, Any]] = set()
        self.sent: Counter[tuple[str, str]] = Counter()

    def open(self, person: User, address: str) -> Page:
        """Open the page as the person, who signs in once a day."""
        page = self._pages.get(person.pk)
        day = (person.pk, self.scenario.clock.now.date())
        if page is None:
            page = self._pages[person.pk] = self._open_page(person, "about:blank")
        elif day not in self._signed_in:
            sign_in_to(page.context, person, self._url)
        self._signed_in.add(day)
        response = page.goto(address)
        assert response is not None
        assert response.status == 200, (address, response.status)
        self.expect_no_errors(address)
        return page

    def send(self, person: User, address: str, form: dict[str, Any], *, page: str) -> None:
        kind = (resolve(address).url_name or "", person.email)
        self.sent[kind] += 1
        if self.sent[kind] > 1 and not self._is_whole:
            self.in_background(partial(super().send, person, address, form, page=page))
            return
        shown = self.open(person, page)
        submit(shown, form_on(shown, address, form), form)
        problems = shown.locator(".messages [data-tone*=error], .errorlist").all_inner_texts()
        assert problems == [], (page, problems)
        self.expect_no_errors(page)
        # An open page polls, and its session ends while the clock moves on.
        shown.goto("about:blank")

    def expect_no_errors(self, address: str) -> None:
        assert self._console_errors == [], (address, self._console_errors)

    def in_background(self, function: Callable[[], None]) -> None:
        """Run the function in another thread, because Playwright's event loop runs in this one."""

        def run() -> None:
            try:
                function()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as executor:
            executor.submit(run).result()


def form_on(page: Page, address: str, values: dict[str, Any]) -> Locator:
    """The form of the page for that address whose hidden fields have these values."""
    # A menu that is open covers the buttons below it.
    page.eval_on_selector_all(
        "main details:not([data-menu])", "all => all.forEach(each => (each.open = true))"
    )
    forms = page.locator(f'form[action="{address}"], form[action^="{address}#"]')
    if not forms.count():
        forms = page.locator("main form[method=post]:not([action])")
    for form in forms.all():
        hidden = {
            field.get_attribute("name"): field.get_attribute("value")
            for field in form.locator("input[type=hidden]").all()
        }
        if all(hidden[name] == str(value) for name, value in values.items() if name in hidden):
            form.evaluate("form => form.closest('[data-menu]')?.setAttribute('open', '')")
            return form
    raise AssertionError(f"{page.url} offers no form for {address} with {values}")


def submit(page: Page, form: Locator, values: dict[str, Any]) -> None:
    """Fill the visible fields, press the button, and wait for the next page."""
    button = form.locator("button[type=submit]").first
    for name, value in values.items():
        field = form.locator(f'[name="{name}"]')
        if field.first.evaluate("field => field.tagName") == "BUTTON":
            button = field
        elif field.first.get_attribute("type") != "hidden":
            fill(field, value)
    with page.expect_navigation() as navigation:
        button.click()
    status = navigation.value.status
    assert status == 200, (page.url, status, page.locator(".errorlist").all_inner_texts())


def fill(field: Locator, value: Any) -> None:
    if isinstance(value, SimpleUploadedFile):
        content = {"name": value.name, "mimeType": "text/plain", "buffer": value.read()}
        field.set_input_files(content)  # type: ignore[arg-type]
        return
    kind = field.first.evaluate("field => field.type")
    match kind:
        case "checkbox" | "radio":
            for each in value if isinstance(value, list) else [value]:
                field.and_(field.page.locator(f'[value="{each}"]')).check()
        case "select-one":
            field.select_option(str(value))
        case _:
            field.fill(str(value))
            field.blur()


# --- The first pages


def create_tenant(
    page: Page, platform: str, profile: Profile, *, port: int, selector: str
) -> Tenant:
    """Fill the New tenant form. Only Mimecast's values and the client's system are known."""
    values: dict[str, Any] = {
        "name": "Northwind",
        "region": "us",
        "platform": platform,
        "directory_method": profile.directory_method,
        "domains-0-name": NORTHWIND,
        "domains-0-role": "primary",
        "domains-0-ownership_token": TOKEN,
        "domains-0-dkim_selectors": selector,
    }
    if profile.has_own_host:
        host = {"purpose": "delivery", "name": OWN_NAME, "port": port}
        values |= {f"hosts-0-{name}": value for name, value in host.items()}
    page.locator("#new-tenant details").evaluate_all(
        "all => all.forEach(each => (each.open = true))"
    )
    submit(page, form_on(page, reverse("onboarding:tenant-create"), {}), values)
    return Tenant.objects.get()


def invite(page: Page, tenant: Tenant, email: str) -> str:
    """Invite the owner on the People page. Returns the link in the e-mail."""
    page.goto(reverse("onboarding:people", args=[tenant.public_id]))
    address = reverse("onboarding:invite", args=[tenant.public_id])
    mail.outbox.clear()
    submit(page, form_on(page, address, {}), {"email": email, "role": "owner"})
    (sent,) = mail.outbox
    found = re.search(r"https?://\S+", str(sent.body))
    assert found is not None
    return found.group()


def accept(page: Page, link: str) -> User:
    """Create the account of the invitation. The client then sees the first tasks."""
    page.goto(link)
    submit(page, page.locator("main form"), {"name": "Ow Ner", "password": PASSWORD})
    assert page.locator("h1").inner_text().startswith("Hello, Ow.")
    return User.objects.get(staff_role="")
