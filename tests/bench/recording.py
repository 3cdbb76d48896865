"""The bar P11: all work of a run outside the engine, for runs with an unchanged answer.

The measured path is that of a worker: claim, load the batch, record, follow with the plans. The
engine's outcomes are prepared before: real ones, of a zone in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from django.db import connection

from checks import claims, runs
from checks.engine.batch import inspect
from checks.engine.dns.network import Network
from checks.engine.hosts.prober import DEFAULT_PORTS, Prober
from checks.engine.outcomes import MESSAGE_KINDS, SOURCE_KINDS, CheckKind, Outcome
from checks.engine.recording import Recorder, recording_clients
from checks.models import Check, Observation, SubmittedMessage
from checks.runs import build_request
from checks.tasks import run_checks
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant
from onboarding.plan_templates.registry import register_builtin_templates
from tenants import database_time
from tenants.models import Domain, Host, Tenant
from tests.bench.bars import Bar
from tests.checks.engine.dns.zone_lookup import ZoneLookup

DOMAINS_PER_TENANT = 20
# Runs of messages and hosts depend on people and ports.
_OTHERS = (*MESSAGE_KINDS, *SOURCE_KINDS, *DEFAULT_PORTS)
KINDS = [kind for kind in CheckKind if kind not in _OTHERS]
ROUNDS = 3


@dataclass(frozen=True)
class Pass:
    """One run of every check: seconds of CPU and of the clock, and bytes of WAL.

    `database_seconds` is the CPU time of the PostgreSQL process of this connection.
    """

    runs: int
    cpu_seconds: float
    database_seconds: float
    seconds: float
    wal_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, each {1000 * self.cpu_seconds / self.runs:.2f} ms of CPU,"
            f" {1000 * self.database_seconds / self.runs:.2f} ms of PostgreSQL and"
            f" {self.wal_bytes / self.runs:.0f} bytes of WAL;"
            f" {self.runs / self.seconds:.0f} runs/s"
        )


def _zone(domain: str, number: int) -> str:
    return f"""
        {domain} 300 MX 10 us-smtp-inbound-1.mimecast.com
        {domain} 300 MX 10 us-smtp-inbound-2.mimecast.com
        {domain} TXT "v=spf1 mx ip4:198.51.100.{number % 250} include:spf.outlook.test ~all"
        {domain} TXT "MS=ms{number:08}"
        {domain} TXT "google-site-verification={number:043}"
        spf.outlook.test TXT "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"
        _dmarc.{domain} TXT "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
    """


async def _outcome(check: Check, zone: str) -> Outcome:
    servers = {f"ns-{n}.some-operator.example": zone for n in range(4)}
    lookup, recorder = ZoneLookup(zone, servers=servers), Recorder()
    clients = recording_clients(lookup, Prober(Network(), lookup), recorder)
    return replace(await inspect(clients, build_request(check)), raw=recorder.raw())


def _same_zone(domain: Domain) -> str:
    return _zone(domain.name, domain.pk)


def outcomes_of(
    checks: Sequence[Check], zone_of: Callable[[Domain], str] = _same_zone
) -> dict[int, Outcome]:
    """The engine's outcomes by check. `zone_of` returns the records of a domain as zone text."""
    return {
        check.pk: asyncio.run(_outcome(check, zone_of(check.domain)))
        for check in checks
        if check.domain is not None
    }


def create_tenants(domains: Sequence[str]) -> None:
    """Tenants of DOMAINS_PER_TENANT domains, with the checks that need no message and no host."""
    register_builtin_templates()
    for start in range(0, len(domains), DOMAINS_PER_TENANT):
        names = domains[start : start + DOMAINS_PER_TENANT]
        entry = ProfileEntry(
            [
                Domain(name=name, role="secondary" if n else "primary", ownership_token="0" * 40)
                for n, name in enumerate(names)
            ],
            list[Host](),
        )
        profile = {"region": "us", "platform": "microsoft_365", "directory_method": "entra_id"}
        create_tenant(Tenant(name=f"Tenant of {names[0]}", **profile), entry, by=None)
    Check.objects.exclude(kind__in=KINDS).update(is_active=False)


def _wal_position() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])


def _database_seconds() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print_wal(start: int, end: int, runs: int) -> None:
    """The records of the WAL by kind: their number for each run, and their bytes."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
        cursor.execute(
            'SELECT "resource_manager/record_type", count, combined_size FROM pg_get_wal_stats('
            "'0/0'::pg_lsn + %s, '0/0'::pg_lsn + %s, true) WHERE count > 0"
            " ORDER BY combined_size DESC LIMIT 8",
            [start, end],
        )
        for kind, count, size in cursor.fetchall():
            print(f"  {kind:28} {count / runs:5.2f} a run, {size / runs:5.0f} bytes")


def measure(outcomes: dict[int, Outcome]) -> Pass:
    """Run every check once."""

    def prepared(
        plan: runs._BatchPlan, _: dict[int, SubmittedMessage]
    ) -> list[tuple[Check, Outcome]]:
        return [(check, outcomes[check.pk]) for check in plan.to_run]

    Check.objects.update(next_due_at=database_time.now() - timedelta(seconds=1))
    done = 0
    with mock.patch.object(runs, "_outcomes", prepared):
        wal, database = _wal_position(), _database_seconds()
        cpu, began = time.process_time(), time.perf_counter()
        while batches := claims.claim_due_checks(now=database_time.now()):
            for batch in batches:
                run_checks(list(batch.check_ids))
                done += len(batch.check_ids)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    database = _database_seconds() - database
    return Pass(done, cpu, database, seconds, _wal_position() - wal)


def _queries_of_a_run(outcomes: dict[int, Outcome]) -> float:
    """Counting takes time, so this pass is not timed."""
    sent = 0

    def count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal sent
        sent += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        counted = measure(outcomes)
    # Without the measurements before and after, and the update that makes all checks due.
    return (sent - 5) / counted.runs


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of domains."""
    logging.disable(logging.INFO)
    domains = options.size or (20 if options.quick else 400)
    create_tenants([f"d{number}.client.example" for number in range(domains)])
    checks = list(Check.objects.filter(is_active=True).select_related("tenant", "domain"))
    outcomes = outcomes_of(checks)
    print(f"first pass   {measure(outcomes)}")
    # Two more passes settle every answer.
    for _ in range(2):
        measure(outcomes)
    with connection.cursor() as cursor:
        # Copies of pages in the WAL depend on the time between checkpoints, not on the work.
        cursor.execute("ALTER SYSTEM SET full_page_writes = off")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("VACUUM ANALYZE")
    start = _wal_position()
    rounds = [measure(outcomes) for _ in range(ROUNDS)]
    end = _wal_position()
    for each in rounds:
        print(f"repeat pass  {each}")
    _print_wal(start, end, sum(each.runs for each in rounds))
    print(f"{Observation.objects.count()} observations of {len(checks)} checks")
    return [
        Bar("P11 queries of an unchanged run", _queries_of_a_run(outcomes), 0.1),
        Bar("P11 bytes of WAL", statistics.median(r.wal_bytes / r.runs for r in rounds), 500),
        Bar(
            "P11 ms of CPU outside the engine",
            statistics.median(1000 * r.cpu_seconds / r.runs for r in rounds),
            0.3,
        ),
        Bar(
            "P11 recorded runs/s, one process",
            statistics.median(r.runs / r.seconds for r in rounds),
            1000,
            at_least=True,
        ),
    ]
