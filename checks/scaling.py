"""The needs of large installations, computed from measured costs. Pure."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COSTS_FILE = Path(__file__).parent / "measured_costs.toml"
# The tenants and domains of each column.
SIZES = ((10_000, 20_000), (100_000, 200_000), (500_000, 1_000_000))
_HOUR, _DAY_OF_WORK, _HOURS_OF_DAY = 3600, 8 * 3600, 24
_MILLION = 1_000_000

Values = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Needs:
    """The needs of one size. CPU in cores, traffic for each second, disk space for each year."""

    tenants: int
    domains: int
    runs_per_second: float
    worker_cores: float
    worker_processes: int
    worker_gigabytes: float
    web_cores: float
    postgresql_cores: float
    wal_megabytes_per_second: float
    redis_commands_per_second: float
    questions_per_second: float
    gigabytes_per_year: float


def load_costs(path: Path = COSTS_FILE) -> Values:
    with path.open("rb") as file:
        return tomllib.load(file)


def needs_of(costs: Values, *, tenants: int, domains: int) -> Needs:
    """The needs at a constant rate; `planned_share` of each core is used."""
    runs, each, share = costs["runs"], costs["costs"], costs["limits"]["planned_share"]
    people = costs["people"]
    rate = domains * runs_per_domain(costs) / _HOUR
    worker_cores = rate * each["worker_ms"] / 1000
    processes = max(2, math.ceil(worker_cores / share))
    pages = tenants * people["pages_per_tenant_and_day"] / _DAY_OF_WORK
    return Needs(
        tenants=tenants,
        domains=domains,
        runs_per_second=rate,
        worker_cores=worker_cores,
        worker_processes=processes,
        worker_gigabytes=processes * each["worker_megabytes"] / 1000,
        web_cores=pages * people["page_ms"] / 1000,
        postgresql_cores=rate * each["postgresql_ms"] / 1000,
        wal_megabytes_per_second=rate * each["wal_bytes"] / _MILLION,
        redis_commands_per_second=rate / each["batch_size"] * each["redis_commands_per_message"],
        questions_per_second=rate / runs["checks_per_domain"] * each["questions_per_domain"],
        gigabytes_per_year=domains * each["kilobytes_per_domain_and_year"] / _MILLION,
    )


def runs_per_domain(costs: Values) -> float:
    """The runs of a domain in an hour."""
    runs = costs["runs"]
    idle = (1 - runs["busy_share"]) * runs["per_hour"]
    return float(runs["checks_per_domain"] * (idle + runs["busy_share"] * runs["busy_per_hour"]))


@dataclass(frozen=True)
class Limit:
    """A part of the design, the number of domains that it can serve, and what to add there."""

    part: str
    domains: float
    addition: str


def limits_of(costs: Values) -> list[Limit]:
    """Where the design breaks, the smallest limit first."""
    limits = costs["limits"]
    tenants_of_dashboard = limits["dashboard_seconds"] * 1000 / limits["dashboard_ms_per_tenant"]
    # One domain, so that each need is that of a domain.
    one = needs_of(costs, tenants=0, domains=1)
    share = limits["planned_share"]
    found = [
        Limit(
            "one process of the checks worker",
            share / one.worker_cores,
            "processes (`--concurrency`), then machines with workers of the queue *checks*",
        ),
        Limit(
            "the WAL of one PostgreSQL server",
            share * limits["wal_megabytes_per_second"] / one.wal_megabytes_per_second,
            "a longer interval of settled checks, then partitions by tenant on several servers",
        ),
        Limit(
            "the cores of one PostgreSQL server",
            share * limits["postgresql_cores"] / one.postgresql_cores,
            "a larger server",
        ),
        Limit(
            "one resolver",
            share * limits["resolver_questions_per_second"] / one.questions_per_second,
            "a resolver on each machine with workers",
        ),
        Limit(
            "one claim, after an outage of ten minutes",
            _domains_after_outage(costs),
            "queues per vantage with a scheduler for each, so that a claim sorts its own checks",
        ),
        Limit(
            "the figures of the dashboard",
            tenants_of_dashboard * limits["domains_per_tenant"],
            "stored counters for each consultant, then a read replica",
        ),
        Limit(
            "the daily reconciliation by one process",
            _HOURS_OF_DAY * _HOUR / limits["reconcile_seconds"] * limits["domains_per_tenant"],
            "processes of the long worker",
        ),
        Limit(
            "observations of one table, after a year",
            limits["observations_of_a_table"] / limits["observations_per_domain_and_year"],
            "partitions by tenant (hash), which also divide VACUUM",
        ),
    ]
    return sorted(found, key=lambda limit: limit.domains)


def _domains_after_outage(costs: Values) -> float:
    """The domains whose due checks one claim can sort in `claim_seconds`."""
    limits = costs["limits"]
    due = limits["claim_seconds"] * _MILLION / limits["claim_microseconds_per_due_check"]
    return float(due / (runs_per_domain(costs) * limits["outage_minutes"] / 60))


_ROWS: tuple[tuple[str, Callable[[Needs], float]], ...] = (
    ("domains", lambda needs: needs.domains),
    ("runs/s", lambda needs: needs.runs_per_second),
    ("cores of workers", lambda needs: needs.worker_cores),
    ("processes of the checks worker", lambda needs: needs.worker_processes),
    ("memory of these, GB", lambda needs: needs.worker_gigabytes),
    ("cores of web processes, on working days", lambda needs: needs.web_cores),
    ("cores of PostgreSQL, for runs", lambda needs: needs.postgresql_cores),
    ("WAL, MB/s", lambda needs: needs.wal_megabytes_per_second),
    ("Redis commands/s", lambda needs: needs.redis_commands_per_second),
    ("DNS questions/s", lambda needs: needs.questions_per_second),
    ("disk space, GB a year", lambda needs: needs.gigabytes_per_year),
)


def markdown(costs: Values) -> str:
    """Both tables of docs/topics/scaling.md."""
    sizes = [needs_of(costs, tenants=tenants, domains=domains) for tenants, domains in SIZES]
    heads = [f"{needs.tenants:,} tenants" for needs in sizes]
    lines = [_row(["need", *heads]), _row(["---"] * (1 + len(heads)))]
    lines += [_row([name, *(_number(value(needs)) for needs in sizes)]) for name, value in _ROWS]
    lines += ["", _row(["limit", "domains", "what to add"]), _row(["---"] * 3)]
    lines += [_row([e.part, _number(e.domains), e.addition]) for e in limits_of(costs)]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    """Two digits: the costs are not more exact."""
    if value == 0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
