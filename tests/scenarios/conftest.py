"""Fixtures of the scenarios: the tenant and its people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenants.models import User
from tests.clock import Clock
from tests.factories import MakeTenant
from tests.scenarios.name_servers import FOUR, NameServers
from tests.scenarios.scenario import Scenario


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scenario is a whole cutover and lasts half a second, so it is not a unit test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def make_scenario(
    clock: Clock,
    dns: NameServers,
    make_tenant: MakeTenant,
    consultant: User,
    django_capture_on_commit_callbacks: Any,
) -> Any:
    def make(*domains: tuple[str, str], **profile: Any) -> Scenario:
        for name, _ in domains:
            dns.delegate(name, *FOUR)
        tenant = make_tenant(domains=domains, **profile)
        return Scenario(tenant, consultant, clock, dns, django_capture_on_commit_callbacks)

    return make


@pytest.fixture
def scenario(make_scenario: Any) -> Scenario:
    """One domain on four servers."""
    made: Scenario = make_scenario(("northwind.test", "primary"))
    return made
