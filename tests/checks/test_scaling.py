"""The extrapolation of large installations, and the page with its tables."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from checks import claims, scaling
from checks.scaling import COSTS_FILE, limits_of, load_costs, needs_of
from tests.bench.recording import KINDS

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "topics" / "scaling.md"


def _printed(costs: Path = COSTS_FILE) -> str:
    out = StringIO()
    call_command("extrapolate", costs=costs, stdout=out)
    return out.getvalue()


def test_page_has_the_printed_tables() -> None:
    needs, limits = _printed().split("\n\n")
    lines = PAGE.read_text().splitlines()
    tables = [line for line in lines if line.startswith("|")]

    assert tables == [*needs.splitlines(), *limits.splitlines()]


def test_other_costs_print_other_tables(tmp_path: Path) -> None:
    costs = tmp_path / "costs.toml"
    costs.write_text(COSTS_FILE.read_text().replace("worker_ms = 0.9", "worker_ms = 9"))

    assert "| cores of workers | 0.45 | 4.5 | 23 |" in _printed(costs)
    assert "| one process of the checks worker | 22,000 |" in _printed(costs)


def test_needs_of_a_small_installation() -> None:
    costs: scaling.Values = {
        "runs": {
            "checks_per_domain": 2,
            "per_hour": 1,
            "busy_share": 0.5,
            "busy_per_hour": 3,
        },
        "costs": {
            "worker_ms": 500,
            "postgresql_ms": 100,
            "wal_bytes": 1_000_000,
            "questions_per_domain": 10,
            "batch_size": 2,
            "redis_commands_per_message": 3,
            "kilobytes_per_domain_and_year": 100,
            "worker_megabytes": 100,
        },
        "people": {"pages_per_tenant_and_day": 288, "page_ms": 100},
        "limits": {"planned_share": 0.5},
    }

    found = needs_of(costs, tenants=100, domains=9_000)

    # Four runs an hour: 2 checks, half of them once and half three times an hour.
    assert replace(found, worker_gigabytes=1) == scaling.Needs(
        tenants=100,
        domains=9_000,
        runs_per_second=10,
        worker_cores=5,
        worker_processes=10,
        worker_gigabytes=1,
        web_cores=0.1,
        postgresql_cores=1,
        wal_megabytes_per_second=10,
        redis_commands_per_second=15,
        questions_per_second=50,
        gigabytes_per_year=0.9,
    )
    assert found.worker_gigabytes == pytest.approx(1)


def test_needs_grow_with_domains_alone() -> None:
    costs = load_costs()
    few = needs_of(costs, tenants=10, domains=1_000)
    many = needs_of(costs, tenants=10, domains=10_000)

    assert many.questions_per_second == pytest.approx(10 * few.questions_per_second)
    assert many.gigabytes_per_year == pytest.approx(10 * few.gigabytes_per_year)
    assert many.web_cores == few.web_cores


def test_smallest_limit_is_first() -> None:
    found = [limit.domains for limit in limits_of(load_costs())]

    assert found == sorted(found)
    assert len(found) == 8


def test_costs_describe_the_present_code() -> None:
    costs = load_costs()

    assert costs["runs"]["checks_per_domain"] == len(KINDS)
    assert costs["costs"]["batch_size"] == claims.BATCH_SIZE
