"""Fixtures of the scenarios: clock, name servers and people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from checks import runs
from tenants.models import User
from tests.clock import Clock, at, frozen
from tests.factories import MakeTenant
from tests.scenarios.name_servers import FOUR, NameServers, on_loopback
from tests.scenarios.scenario import Scenario


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scenario is a whole cutover and lasts half a second, so it is not a unit test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def loopback_servers() -> Iterator[NameServers]:
    with on_loopback() as servers:
        yield servers


@pytest.fixture
def clock() -> Iterator[Clock]:
    with frozen(at("Mon 08:00")) as clock:
        yield clock


@pytest.fixture
def dns(
    loopback_servers: NameServers, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[NameServers]:
    """The engine uses this network, with a time budget that a slow test machine needs."""
    monkeypatch.setattr(runs, "network_from_settings", loopback_servers.network)
    settings.CHECKS_BUDGET_SECONDS = 10
    loopback_servers.clear()
    yield loopback_servers
    loopback_servers.clear()


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
