"""The time of a response does not reveal whether an address has an account."""

from __future__ import annotations

import time

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tenants.models import User

pytestmark = pytest.mark.django_db
PAGES = ["account_reset_password", "account_request_login_code"]


def _seconds(page: str, email: str) -> float:
    cache.clear()
    client = Client()
    started_at = time.perf_counter()
    client.post(reverse(page), {"email": email})
    return time.perf_counter() - started_at


def guesses(page: str, pairs: int) -> float:
    """The share of pairs in which the slower response belongs to the known address."""
    known = "client@northwind.test"
    slower = 0
    for number in range(pairs):
        unknown = f"client{number}@northwind.test"
        # The order alternates, so that it is no hint.
        if number % 2:
            with_account, without = _seconds(page, known), _seconds(page, unknown)
        else:
            without, with_account = _seconds(page, unknown), _seconds(page, known)
        slower += with_account > without
    return slower / pairs


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("client@northwind.test", "a-long-password", name="Jo")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_response_waits_for_the_same_time(page: str, person: User, settings: Settings) -> None:
    settings.EQUAL_TIME_SECONDS = 0.3

    times = [_seconds(page, email) for email in (person.email, "unknown@northwind.test")]

    assert min(times) >= 0.3
    assert Client().get(reverse(page)).status_code == 200


@pytest.mark.nightly
@pytest.mark.parametrize("page", PAGES)
def test_guess_by_time_is_no_better_than_chance(
    page: str, person: User, settings: Settings
) -> None:
    settings.EQUAL_TIME_SECONDS = 0.25

    share = guesses(page, 400)

    print(f"{page}: the known address was slower in {share:.1%} of 400 pairs")  # noqa: T201
    # Three standard deviations of 400 fair coins.
    assert abs(share - 0.5) < 0.075
