"""Repetition of work that another transaction overtook."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.contrib.messages import get_messages, success
from django.contrib.messages.storage import default_storage
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from checks.run_requests import RUN_LIMIT, RUN_RATE, may_run_now
from tenants import retries
from tenants.middleware import conflict_middleware
from tenants.models import User
from tenants.request_context import request_origin_middleware
from tenants.throttle import usage_of

View = Callable[[HttpRequest], HttpResponse]


def failing(times: int, error: Exception) -> Callable[[], str]:
    """Work that raises the error so many times."""
    left = [error] * times

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return work


def database_error(code: str) -> OperationalError:
    error = OperationalError("rolled back")
    error.__cause__ = Exception()
    error.__cause__.__dict__["pgcode"] = code
    return error


def send(view: View) -> HttpRequest:
    """Send a request to the view through the middleware. Raises the error of its last attempt."""
    request = RequestFactory().post("/")
    request.__dict__["session"] = {}
    request.__dict__["_messages"] = default_storage(request)
    request.resolver_match = SimpleNamespace(func=view, args=(), kwargs={})  # type: ignore[assignment]

    def get_response(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except Exception as error:
            response = middleware.process_exception(request, error)  # type: ignore[attr-defined]
            if response is None:
                raise
            assert isinstance(response, HttpResponse)
            return response

    middleware = conflict_middleware(get_response)
    middleware(request)
    return request


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.django_db(transaction=True)
def test_conflict_is_repeated(code: str) -> None:
    assert retries.repeat_after_conflict(failing(4, database_error(code))) == "done"


@pytest.mark.parametrize("error", [IntegrityError(), ObjectDoesNotExist()])
@pytest.mark.django_db(transaction=True)
def test_overtaken_work_is_repeated(error: Exception) -> None:
    assert retries.repeat_after_conflict(failing(1, error)) == "done"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_fifth_conflict_remains() -> None:
    with pytest.raises(OperationalError):
        retries.repeat_after_conflict(failing(5, database_error("40P01")))


@pytest.mark.django_db(transaction=True)
def test_other_errors_are_not_repeated() -> None:
    with pytest.raises(OperationalError):
        retries.repeat_after_conflict(failing(1, database_error("57014")))


@pytest.mark.django_db
def test_nothing_is_repeated_in_a_transaction() -> None:
    with pytest.raises(IntegrityError):
        retries.repeat_after_conflict(failing(1, IntegrityError()))


@pytest.mark.django_db(transaction=True)
def test_request_is_repeated() -> None:
    work = failing(2, database_error("40P01"))

    def view(request: HttpRequest) -> HttpResponse:
        success(request, "Saved.")
        with transaction.atomic():
            User.objects.create_user("member@gangway.test", "pw", name="Member")
            return HttpResponse(work())

    request = send(view)

    assert User.objects.count() == 1
    assert [str(message) for message in get_messages(request)] == ["Saved."]


@pytest.mark.django_db(transaction=True)
def test_repeated_request_is_one_run_of_checks() -> None:
    person = User.objects.create_user("member@gangway.test", "pw", name="Member")
    work = failing(0, database_error("40P01"))
    allowed: list[bool] = []

    def view(request: HttpRequest) -> HttpResponse:
        allowed.append(may_run_now(person))
        return HttpResponse(work())

    origin = request_origin_middleware(lambda request: _response(send(view)))
    for _ in range(2):
        work = failing(2, database_error("40P01"))
        origin(RequestFactory().post("/"))

    assert allowed == [True] * 6
    assert usage_of(RUN_LIMIT, RUN_RATE, f"user:{person.pk}").used == 3


def _response(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.path)


@pytest.mark.parametrize("is_atomic", [True, False])
@pytest.mark.django_db(transaction=True)
def test_committed_request_is_not_repeated(*, is_atomic: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        if is_atomic:
            with transaction.atomic():
                User.objects.create_user("member@gangway.test", "pw", name="Member")
        else:
            User.objects.create_user("member@gangway.test", "pw", name="Member")
        raise database_error("40P01")

    with pytest.raises(OperationalError):
        send(view)

    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_write_after_rolled_back_savepoint_counts() -> None:
    writes = retries.CommittedWrites()

    with connection.execute_wrapper(writes), transaction.atomic():
        with contextlib.suppress(IntegrityError), transaction.atomic():
            User.objects.create_user("member@gangway.test", "pw", name="Member")
            raise IntegrityError
        User.objects.create_user("owner@gangway.test", "pw", name="Owner")

    assert writes.found
