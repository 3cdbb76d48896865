"""The bar P9: the disk space of a year of hourly checks, activity included.

Tenants of 20 domains. Every month one record of each domain changes: its MX hosts and its SPF
record in turn, so that tasks are verified and reopened. Real runs record each change and then
repeat the answer. Two sizes show that the space grows with the number of domains.
"""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Mapping
from datetime import timedelta
from unittest import mock

from django.apps import apps
from django.db import connection

from checks.models import Check, Observation
from onboarding.models import Task
from onboarding.plan_templates.registry import register_builtin_templates
from tenants import database_time
from tenants.models import ActivityLine, Domain
from tenants.regions import load_regions
from tests.bench import recording
from tests.bench.bars import Bar
from tests.bench.database import empty_database

DOMAINS, CHANGES = 10_000, 12
MONTH = timedelta(days=30)
# Runs of each month, 15 minutes apart. They settle the answer; all later ones change no table's
# size, because each VACUUM makes the space of the earlier row versions free.
REPEATS, BETWEEN = 5, timedelta(minutes=15)
LARGEST_SHOWN = 8


def _zone(subject: Domain, month: int) -> str:
    """The records of a domain after `month` changes, each with a value of its own."""
    domain, number = subject.name, subject.pk
    mx_changes, spf_changes = (month + 1) // 2, month // 2
    region = load_regions()["us"]
    hosts = region.mx if mx_changes % 2 else [f"mail{mx_changes}.{domain}"]
    include = f"include:{region.spf_include}" if spf_changes % 2 else ""
    return "\n".join(
        [
            *(f"{domain} 300 MX 10 {host}" for host in hosts),
            f'{domain} TXT "v=spf1 mx ip4:198.51.{spf_changes}.{number % 250} {include}'
            ' include:spf.outlook.test ~all"',
            f'{domain} TXT "MS=ms{number:08}"',
            f'{domain} TXT "google-site-verification={number:043}"',
            'spf.outlook.test TXT "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"',
            f'{region.spf_include} TXT "v=spf1 ip4:192.0.2.0/24 -all"',
            f'_dmarc.{domain} TXT "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"',
        ]
    )


def _record_year(domains: int) -> None:
    recording.create_tenants([f"d{number}.client.example" for number in range(domains)])
    checks = list(Check.objects.filter(is_active=True).select_related("tenant", "domain"))
    for month in range(CHANGES + 1):
        outcomes = recording.outcomes_of(checks, functools.partial(_zone, month=month))
        for repeat in range(REPEATS):
            passed = month * MONTH + repeat * BETWEEN
            database_time.forget()
            with mock.patch.object(database_time, "_measure", lambda passed=passed: passed):
                recording.measure(outcomes)
            _execute("VACUUM")
    database_time.forget()


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def sizes() -> dict[str, int]:
    """The bytes of each table with its indexes, largest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables ORDER BY 2 DESC"
        )
        return dict(cursor.fetchall())


# Pattern indexes, and indexes whose column is the first of another index, of our tables. A column
# that is searched by its first characters has a pattern index; Django creates those of relations
# between two models.
_UNNEEDED = """
WITH indexes AS (
    SELECT indexrelid::regclass::text AS name, indrelid, indkey::text AS columns, indisunique,
        opcname LIKE '%%pattern_ops' AS is_pattern, attname
    FROM pg_index
    JOIN pg_opclass ON pg_opclass.oid = indclass[0]
    JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    JOIN pg_am ON pg_am.oid = opcmethod
    WHERE amname = 'btree' AND indpred IS NULL AND indrelid::regclass::text = ANY(%s)
)
SELECT DISTINCT each.name FROM indexes each LEFT JOIN indexes other
    ON other.indrelid = each.indrelid AND other.name <> each.name AND NOT other.is_pattern
    AND other.columns || ' ' LIKE each.columns || ' %%'
WHERE NOT each.indisunique AND each.attname <> 'stored_as'
    AND (each.is_pattern OR other.name IS NOT NULL)
"""


def unneeded_indexes() -> list[str]:
    """The names of the indexes that no query needs."""
    models = [
        model
        for app in ("tenants", "checks", "onboarding")
        for model in apps.get_app_config(app).get_models()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_UNNEEDED, [[model._meta.db_table for model in models]])
        return [name for (name,) in cursor.fetchall()]


def _grown(before: Mapping[str, int]) -> dict[str, int]:
    return {name: size - before[name] for name, size in sizes().items()}


def _measure(domains: int) -> float:
    """The bytes of a year for each domain."""
    empty_database()
    # All tenants share the templates.
    register_builtin_templates()
    before = sizes()
    _record_year(domains)
    grown = _grown(before)
    found = sum(grown.values()) / domains
    print(
        f"{domains} domains: {found / 1000:.0f} kB each;"
        f" {Observation.objects.count() / domains:.1f} observations,"
        f" {ActivityLine.objects.count() / domains:.1f} lines of activity,"
        f" {Task.objects.count() / domains:.1f} tasks a domain"
    )
    for name, size in sorted(grown.items(), key=lambda item: -item[1])[:LARGEST_SHOWN]:
        print(f"  {name:36} {size / domains / 1000:7.1f} kB a domain")
    return found


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of domains of the larger sample."""
    logging.disable(logging.INFO)
    largest = options.size or (20 if options.quick else 400)
    smaller, larger = _measure(max(5, largest // 4)), _measure(largest)
    unneeded = unneeded_indexes()
    print(f"indexes that no query needs: {', '.join(unneeded) or 'none'}")
    return [
        Bar("P9 indexes that no query needs", len(unneeded), 0),
        Bar("P9 GB a year, 10,000 domains", DOMAINS * larger / 1e9, 2),
        # Small tables have partly empty pages.
        Bar("P9 space of a domain at the larger size", larger / smaller, 1.1),
    ]
