"""The pages of a tenant as one side reads and uses them, through Django's test client."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

from django.contrib.messages import get_messages
from django.test.signals import template_rendered
from django.urls import reverse

from onboarding.plans.rows import TaskRow
from tenants.models import User
from tests.scenarios.scenario import Scenario


class Pages:
    """Reads pages and sends their forms. Another class does the same in Chromium."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    def context(self, person: User, address: str) -> Any:
        """The context of the page, without those that the live server renders in its threads."""
        rendered: list[Any] = []
        own = threading.get_ident()

        def store(context: Any, **_: Any) -> None:
            if threading.get_ident() == own:
                rendered.append(copy.copy(context))

        template_rendered.connect(store)
        try:
            answer = self.scenario.client_of(person).get(address)
        finally:
            template_rendered.disconnect(store)
        assert answer.status_code == 200, (address, answer.status_code)
        return rendered[0]

    def html(self, person: User, address: str) -> str:
        answer = self.scenario.client_of(person).get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return str(answer.content.decode())

    def rows(self, person: User) -> list[TaskRow]:
        """Every task of the plan with the actions that its page offers to the person."""
        address = reverse("onboarding:plan-show", args=[self.scenario.tenant.public_id])
        rows: list[TaskRow] = self.context(person, address)["page"].rows
        return rows

    def send(self, person: User, address: str, form: dict[str, Any], *, page: str) -> None:
        """Send the form of that page. The server accepts every action that a page offers."""
        with self.scenario.commits():
            answer = self.scenario.client_of(person).post(address, form)
        problems = [
            str(message)
            for message in get_messages(answer.wsgi_request)
            if message.level_tag == "error"
        ]
        assert answer.status_code == 302, (page, answer.context["form"].errors)
        assert problems == [], f"{page}: {problems}"

    def in_background(self, function: Callable[[], None]) -> None:
        """Run the function as beat and workers do, outside the requests."""
        function()
