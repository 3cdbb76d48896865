"""The bar of the API: the p95 of a list of 50 tasks with their checks, against the bare page."""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.management.commands.generate_load import generate
from tenants import api_tokens
from tenants.models import Tenant, User
from tests.bench.bars import Bar
from tests.bench.database import empty_database
from tests.bench.pages import MANY_DOMAINS, PLANNED, QUICK_DOMAINS, signed_in

REQUESTS, QUICK_REQUESTS = 200, 20
MOST_TIMES_BARE = 3


def run(options: argparse.Namespace) -> list[Bar]:
    """Measure both in turn, so that a busy moment concerns both."""
    logging.disable(logging.WARNING)
    empty_database()
    domains = QUICK_DOMAINS if options.quick else options.size or MANY_DOMAINS
    generate(PLANNED + 1, domains=domains, months=1)
    tenant = Tenant.objects.order_by("pk")[PLANNED]
    user = User.objects.filter(staff_role=User.StaffRole.CONSULTANT)[0]
    browser = signed_in(user.email)
    _, token = api_tokens.issue(
        owner=user,
        name="Bench",
        scope="read",
        expires_at=timezone.now() + timedelta(days=1),
    )
    program = Client(SERVER_NAME="localhost", HTTP_AUTHORIZATION=f"Bearer {token}")
    bare = reverse("onboarding:search")
    tasks = reverse("api:tenant-tasks", args=[tenant.public_id]) + "?page_size=50&expand=checks"
    times: dict[str, list[float]] = {"bare": [], "tasks": []}
    for _ in range(QUICK_REQUESTS if options.quick else REQUESTS):
        # Without the rate limit of a token.
        cache.clear()
        times["bare"].append(_seconds(lambda: browser.get(bare)))
        times["tasks"].append(_seconds(lambda: program.get(tasks)))
    p95 = {name: statistics.quantiles(each, n=20)[-1] for name, each in times.items()}
    for name, each in times.items():
        median = statistics.median(each)
        print(f"  {name:6} median {1000 * median:6.1f} ms, p95 {1000 * p95[name]:6.1f} ms")
    name = f"50 tasks with checks, {domains} domains, p95 as times of the bare page"
    return [Bar(name, p95["tasks"] / p95["bare"], MOST_TIMES_BARE)]


def _seconds(send: Callable[[], object]) -> float:
    began = time.perf_counter()
    response = send()
    assert getattr(response, "status_code", 0) == 200, response
    return time.perf_counter() - began
