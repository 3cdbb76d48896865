"""The part of P6 about searches: database time of a search at 50 and at 5,000 tenants."""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from onboarding.management.commands.generate_load import generate
from onboarding.portfolio.search import find
from tenants.models import Domain, User
from tests.bench.bars import Bar
from tests.bench.database import empty_database

ROUNDS = 5


def _database_seconds(user: User, text: str) -> float:
    spent = 0.0

    def add(execute: Callable[..., Any], *rest: Any) -> Any:
        nonlocal spent
        began = time.perf_counter()
        try:
            return execute(*rest)
        finally:
            spent += time.perf_counter() - began

    with connection.execute_wrapper(add):
        find(user, text)
    return spent


def measure(tenants: int) -> float:
    """The longest database time of the searched texts, each the median of its rounds."""
    user = User.objects.get(email="consultant@load.example")
    domain = Domain.objects.order_by("-pk").first()
    assert domain is not None
    longest = 0.0
    # A name, a part of a name, a word of one task of every plan, two terms, and no match.
    for text in (domain.name, domain.name[:6], "lockdown", "ma", "tenant mx", "no-such-word"):
        seconds = statistics.median(_database_seconds(user, text) for _ in range(ROUNDS))
        print(f"  {tenants} tenants, {text!r}: {1000 * seconds:.1f} ms of database time")
        longest = max(longest, seconds)
    return longest


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of tenants."""
    logging.disable(logging.INFO)
    bars = []
    for tenants in (5, 20) if options.quick else (50, options.size or 5000):
        empty_database()
        generate(tenants, domains=2, months=1)
        bars.append(Bar(f"P6 search at {tenants} tenants, ms", 1000 * measure(tenants), 50))
    return bars
