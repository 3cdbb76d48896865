"""The storage of one year of runs, measured in PostgreSQL with real observations."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from checks.engine.batch import CheckRequest, inspect
from checks.engine.dns.network import Network
from checks.engine.hosts.prober import DEFAULT_PORTS, Prober
from checks.engine.outcomes import Outcome
from checks.engine.recording import Recorder, recording_clients
from checks.models import Check
from checks.runs import build_request
from checks.services import record_run
from checks.storage import measure
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.factories import START, MakeTenant

# The small form of the bench part `storage` is in test_bench_parts.py.
pytestmark = [
    pytest.mark.interop,
    pytest.mark.nightly,
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]
DOMAINS, CHANGES = 60, 5
MOST_BYTES = 2e9


def _zone(domain: str, change: int) -> str:
    """A typical zone: four servers, several TXT records, two MX hosts, a DMARC record."""
    return f"""
        {domain} {300 + change} MX 10 us-smtp-inbound-1.mimecast.com
        {domain} {300 + change} MX 10 us-smtp-inbound-2.mimecast.com
        {domain} TXT "v=spf1 mx ip4:198.51.100.{change} include:spf.protection.outlook.test ~all"
        {domain} TXT "MS=ms{change:08}"
        {domain} TXT "google-site-verification={change:043}"
        spf.protection.outlook.test TXT "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"
        _dmarc.{domain} TXT "v=DMARC1; p=none; pct={change + 1}; rua=mailto:dmarc@{domain}"
    """


async def _outcome(request: CheckRequest, round_number: int) -> Outcome:
    zone = _zone(request.domain, round_number)
    servers = {f"ns-{n}.some-operator.example": zone for n in range(4)}
    lookup, recorder = ZoneLookup(zone, servers=servers), Recorder()
    means = recording_clients(lookup, Prober(Network(), lookup), recorder)
    return replace(await inspect(means, request), raw=recorder.raw())


def test_year_of_ten_thousand_domains_fits(
    make_tenant: MakeTenant,
) -> None:
    make_tenant(domains=tuple((f"client-{n}.example", "secondary") for n in range(DOMAINS)))
    checks = Check.objects.exclude(kind__in=DEFAULT_PORTS).select_related("tenant", "domain")
    for check in checks:
        for round_number in range(CHANGES):
            outcome = asyncio.run(_outcome(build_request(check), round_number))
            at = START + timedelta(hours=round_number)
            record_run(check.pk, outcome, expectation=check.expectation, at=at)

    found, out = measure(), StringIO()
    call_command("measure_storage", stdout=out)

    print(out.getvalue())  # noqa: T201
    assert found.observations > DOMAINS * CHANGES * 4
    # Twice as many checks as a change usually affects.
    assert found.bytes_per_year(domains=10_000, changes=12, touched=4) <= MOST_BYTES
