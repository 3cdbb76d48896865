"""A year of looking fits: measured in PostgreSQL with real observations and raw answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from checks.engine.batch import Look, inspect
from checks.engine.hosts import DEFAULT_PORTS, Prober
from checks.engine.network import Network
from checks.engine.outcomes import Outcome
from checks.engine.recording import Recorder, recording
from checks.looks import look_for
from checks.models import Check
from checks.services import record_run
from checks.storage import measure
from tests.cast import START, MakeTenant
from tests.checks.engine.zone_lookup import ZoneLookup

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]
DOMAINS, CHANGES = 60, 5
MOST_BYTES = 2e9


def _zone(domain: str, turn: int) -> str:
    """A zone like many: four servers, several text records, two MX hosts, a DMARC record."""
    return f"""
        {domain} {300 + turn} MX 10 us-smtp-inbound-1.mimecast.com
        {domain} {300 + turn} MX 10 us-smtp-inbound-2.mimecast.com
        {domain} TXT "v=spf1 mx ip4:198.51.100.{turn} include:spf.protection.outlook.test ~all"
        {domain} TXT "MS=ms{turn:08}"
        {domain} TXT "google-site-verification={turn:043}"
        spf.protection.outlook.test TXT "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"
        _dmarc.{domain} TXT "v=DMARC1; p=none; pct={turn + 1}; rua=mailto:dmarc@{domain}"
    """


async def _outcome(look: Look, turn: int) -> Outcome:
    zone = _zone(look.domain, turn)
    servers = {f"ns-{n}.some-operator.example": zone for n in range(4)}
    lookup, recorder = ZoneLookup(zone, servers=servers), Recorder()
    means = recording(lookup, Prober(Network(), lookup), recorder)
    return replace(await inspect(means, look), raw=recorder.raw())


def test_a_year_of_ten_thousand_domains_takes_two_gigabytes_at_most(
    make_tenant: MakeTenant,
) -> None:
    make_tenant(domains=tuple((f"client-{n}.example", "secondary") for n in range(DOMAINS)))
    checks = Check.objects.exclude(kind__in=DEFAULT_PORTS).select_related("tenant", "domain")
    for check in checks:
        for turn in range(CHANGES):
            outcome = asyncio.run(_outcome(look_for(check), turn))
            at = START + timedelta(hours=turn)
            record_run(check.pk, outcome, asked=check.expectation, at=at)

    found, out = measure(), StringIO()
    call_command("measure_storage", stdout=out)

    print(out.getvalue())  # noqa: T201
    assert found.observations > DOMAINS * CHANGES * 4
    # Twice as many checks as a change touches by nature.
    assert found.year(domains=10_000, changes=12, touched=4) <= MOST_BYTES
