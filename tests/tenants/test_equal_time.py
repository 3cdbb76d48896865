"""The time of a response does not reveal whether an address has an account."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from tenants.equal_time import WAITING_AT_ONCE, takes_equal_time
from tenants.models import User

pytestmark = pytest.mark.django_db
PAGES = ["account_reset_password", "account_request_login_code"]


def _seconds(page: str, email: str, **headers: Any) -> float:
    cache.clear()
    client = Client(**headers)
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
    # allauth answers a script with 200.
    script = {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}
    times.append(_seconds(page, person.email, **script))

    assert min(times) >= 0.3
    assert Client().get(reverse(page)).status_code == 200


def test_refusal_is_not_delayed(person: User, settings: Settings) -> None:
    """By the limit of the client, and by the limit of the address."""
    settings.EQUAL_TIME_SECONDS = 30
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "reset_password": "0/m/key"}
    client, page = Client(), reverse("account_reset_password")
    started_at = time.monotonic()

    statuses = [client.post(page, {"email": "jo@northwind.test"}).status_code for _ in range(11)]

    assert (set(statuses), time.monotonic() - started_at < 30) == ({429}, True)


def test_invalid_form_is_not_delayed(person: User, settings: Settings) -> None:
    settings.EQUAL_TIME_SECONDS = 30
    started_at = time.monotonic()

    response = Client().post(reverse("account_reset_password"), {"email": "no address"})

    assert (response.status_code, time.monotonic() - started_at < 30) == (200, True)


def test_waiting_requests_leave_threads_for_pages(settings: Settings) -> None:
    """A flood of eight requests of eight visitors: two wait, six are refused at once."""
    settings.EQUAL_TIME_SECONDS = 3
    inside = Barrier(WAITING_AT_ONCE + 1)
    works = 0

    def work(request: HttpRequest) -> HttpResponse:
        nonlocal works
        works += 1
        inside.wait(30)
        return HttpResponseRedirect("/")

    view = takes_equal_time(work)

    def ask(_: int) -> int:
        request = RequestFactory().post("/")
        request.user = AnonymousUser()
        return view(request).status_code

    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(ask, number) for number in range(WAITING_AT_ONCE)]
        inside.wait(30)
        refused = [ask(number) for number in range(6)]
        is_still_waiting = not any(each.done() for each in waiting)

    assert (set(refused), is_still_waiting, works) == ({429}, True, WAITING_AT_ONCE)
    assert {each.result() for each in waiting} == {302}


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
