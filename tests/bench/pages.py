"""The bars P4, P5 and P14: server time, queries and size of pages, against the bare page.

The bare page is the search page without terms: the frame of every page for a signed-in person.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse

from onboarding.management.commands.generate_load import generate
from onboarding.management.load.sources import SOURCES, create_source
from tenants.models import Tenant, User
from tests.bench.bars import Bar
from tests.bench.database import empty_database

REQUESTS = 5
# An implementation before its inbound cutover, which all pages show in full.
PLANNED = 4
FEW_DOMAINS, MANY_DOMAINS, QUICK_DOMAINS = 2, 20, 4
TENANT_PAGES = (
    "plan-show",
    "my-tasks",
    "domains",
    "cutover-room",
    "cutovers",
    "schedule",
    "requirements",
    "monitoring",
    "people",
    "activity",
    "profile-edit",
    "closing",
    "offboarding",
)
PORTFOLIO_PAGES = ("tenant-list", "dashboard", "dashboard-csv", "audit-log")


@dataclass(frozen=True)
class Page:
    """One page: seconds of the server, its queries and the slowest of them, and bytes of HTML."""

    name: str
    seconds: float
    queries: int
    slowest_query: float
    size: int
    compressed: int

    def line(self, bare: float) -> str:
        return (
            f"{self.name:14} {1000 * self.seconds:7.1f} ms {self.seconds / bare:6.1f} times bare"
            f" {self.queries:4} queries, slowest {1000 * self.slowest_query:6.1f} ms"
            f" {self.size / 1000:6.0f} kB, compressed {self.compressed / 1000:5.1f} kB"
        )


def _body(client: Client, address: str) -> bytes:
    response = client.get(address)
    assert response.status_code == 200, f"{address}: {response.status_code}"
    return response.getvalue()


def _timed(client: Client, address: str) -> float:
    """The median of several requests, after one that fills caches."""
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        _body(client, address)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _queries(client: Client, address: str) -> tuple[list[float], bytes]:
    """The seconds of each query; counting takes time, so this request is not timed."""
    seconds: list[float] = []

    def count(execute: Callable[..., Any], *rest: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*rest)
        finally:
            seconds.append(time.perf_counter() - began)

    with connection.execute_wrapper(count):
        body = _body(client, address)
    return seconds, body


def measure(client: Client, addresses: dict[str, str], *, rounds: int) -> tuple[float, list[Page]]:
    """The seconds of the bare page and the pages: medians of rounds that alternate all pages."""
    bare = reverse("onboarding:search")
    counted = {}
    for name, address in addresses.items():
        _body(client, address)
        counted[name] = _queries(client, address)
    times: list[dict[str, float]] = []
    for _ in range(rounds):
        times.append({"": _timed(client, bare)})
        times[-1] |= {name: _timed(client, address) for name, address in addresses.items()}
    pages = [
        Page(
            name,
            statistics.median(each[name] for each in times),
            len(queries),
            max(queries),
            len(body),
            len(gzip.compress(body, 6)),
        )
        for name, (queries, body) in counted.items()
    ]
    return statistics.median(each[""] for each in times), pages


def signed_in(email: str) -> Client:
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(email=email))
    return client


def tenant_addresses(tenant: Tenant) -> Iterator[tuple[str, str]]:
    cutover = tenant.plan.cutovers.order_by("-planned_at").first()
    assert cutover is not None
    for name in TENANT_PAGES:
        ids = (
            [tenant.public_id, cutover.public_id] if name == "cutover-room" else [tenant.public_id]
        )
        yield name, reverse(f"onboarding:{name}", args=ids)


def _print(title: str, bare: float, pages: Sequence[Page]) -> None:
    print(f"{title}; the bare page takes {1000 * bare:.1f} ms")
    for page in pages:
        print(f"  {page.line(bare)}")


def _portfolio(tenants: int, months: int, rounds: int) -> tuple[float, dict[str, Page]]:
    empty_database()
    generate(tenants, domains=FEW_DOMAINS, months=months)
    addresses = {name: reverse(f"onboarding:{name}") for name in PORTFOLIO_PAGES}
    administrator = User.objects.get(email="manager@load.example")
    administrator.staff_role = User.StaffRole.ADMINISTRATOR
    administrator.save(update_fields=["staff_role"])
    bare, pages = measure(signed_in(administrator.email), addresses, rounds=rounds)
    _print(f"{tenants} tenants, {months} months of history", bare, pages)
    return bare, {page.name: page for page in pages}


def _tenant_pages(
    domains: int, number: int, months: int, rounds: int
) -> tuple[float, dict[str, Page]]:
    """The pages of one more tenant, for its consultant."""
    consultant = User.objects.get(email="consultant@load.example")
    tenant = create_source(
        len(SOURCES) * 1_000_000 * number + PLANNED, domains=domains, months=months, by=consultant
    )
    bare, pages = measure(
        signed_in(consultant.email), dict(tenant_addresses(tenant)), rounds=rounds
    )
    _print(f"a tenant of {domains} domains", bare, pages)
    return bare, {page.name: page for page in pages}


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of tenants."""
    logging.disable(logging.INFO)
    small, large = (5, 20) if options.quick else (50, options.size or 5000)
    months, rounds = (2, 1) if options.quick else (12, 3)
    domains = QUICK_DOMAINS if options.quick else MANY_DOMAINS
    few_bare, few = _portfolio(small, months, rounds)
    old_bare, old = _portfolio(small, 10 * months, rounds)
    bare, many = _portfolio(large, months, rounds)
    _, two = _tenant_pages(FEW_DOMAINS, 1, months, rounds)
    many_bare, twenty = _tenant_pages(domains, 2, months, rounds)
    dashboard = many["dashboard"]
    relative = dashboard.seconds / bare
    longest = max([*many.values(), *two.values(), *twenty.values()], key=lambda p: p.seconds)
    slowest = max(twenty.values(), key=lambda page: page.seconds)
    grown = max(twenty.values(), key=lambda page: page.seconds / two[page.name].seconds)
    return [
        Bar("P4 dashboard against the bare page", relative, 5),
        Bar("P4 slowest query of the dashboard, ms", 1000 * dashboard.slowest_query, 20),
        Bar(
            f"P4 dashboard, {large} tenants against {small}",
            relative / (few["dashboard"].seconds / few_bare),
            1.2,
        ),
        Bar(
            "P4 dashboard, longer history",
            old["dashboard"].seconds / old_bare / (few["dashboard"].seconds / few_bare),
            1.2,
        ),
        Bar("P4 compressed HTML, kB", dashboard.compressed / 1000, 60),
        Bar("P5 plan page against the bare page", twenty["plan-show"].seconds / many_bare, 6),
        Bar(f"P5 slowest page ({slowest.name})", slowest.seconds / many_bare, 6),
        Bar(
            f"P5 {domains} domains against {FEW_DOMAINS} ({grown.name})",
            grown.seconds / two[grown.name].seconds,
            1.3,
        ),
        Bar(f"P14 longest request ({longest.name}), seconds", longest.seconds, 5),
    ]
