"""Fixtures of the scenarios and of the walk in Chromium: clock, name servers, mail hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from checks import runs
from checks.lab.addresses import LabEndpoints
from tests.clock import Clock, at, frozen
from tests.scenarios import mail_hosts as mail_servers
from tests.scenarios.mail_hosts import MailHosts
from tests.scenarios.name_servers import NameServers, on_loopback


@pytest.fixture(scope="session")
def loopback_servers() -> Iterator[NameServers]:
    with on_loopback() as servers:
        yield servers


@pytest.fixture(scope="session")
def loopback_mail_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailHosts]:
    with mail_servers.on_loopback(tmp_path_factory.mktemp("tls")) as hosts:
        yield hosts


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
def mail_hosts(
    loopback_mail_hosts: MailHosts, dns: NameServers, settings: Any
) -> Iterator[MailHosts]:
    """Open mail hosts, and a control target, so that Gangway checks the lockdown."""
    settings.CHECKS_CONTROL_TARGET = loopback_mail_hosts.control
    settings.CHECKS_INTERVAL_SECONDS_OF_SAMPLES = settings.CHECKS_INTERVAL_SECONDS
    settings.CHECKS_REOPEN_AFTER_SECONDS_OF_SAMPLES = settings.CHECKS_REOPEN_AFTER_SECONDS
    settings.LAB_PLACES = LabEndpoints(smtp_port=loopback_mail_hosts.port)
    dns.hosts.update(loopback_mail_hosts.addresses)
    dns.ca_file = str(loopback_mail_hosts.ca_file)
    loopback_mail_hosts.open()
    yield loopback_mail_hosts
    loopback_mail_hosts.open()
