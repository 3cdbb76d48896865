"""The database does not answer: a page of our own, soon, and without a query."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from tenants.models import User
from tenants.unavailable import RETRY_AFTER_FULL_SECONDS, RETRY_AFTER_SECONDS


def _failing(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("server closed"), InterfaceError("closed")])
def test_failing_database_is_a_503(
    error: Exception, consultant: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is the first thing that a request reads."""
    client = Client(raise_request_exception=False)
    client.force_login(consultant)
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", _failing(error))

    response = client.get("/")

    assert response.status_code == 503
    assert response["Retry-After"] == str(RETRY_AFTER_SECONDS)
    assert "The database does not answer." in response.content.decode()


def _disk_full_of_postgresql() -> OperationalError:
    cause = type("DiskFull", (Exception,), {"pgcode": "53100"})("could not extend file")
    error = OperationalError("could not extend file")
    error.__cause__ = cause
    return error


@pytest.mark.django_db
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OperationalError("database or disk is full"),
        _disk_full_of_postgresql(),
    ],
)
def test_full_disk_is_a_507(
    error: Exception, consultant: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(consultant)
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", _failing(error))

    response = client.get("/")

    assert response.status_code == 507
    assert response["Retry-After"] == str(RETRY_AFTER_FULL_SECONDS)
    text = response.content.decode()
    assert "A disk of Gangway’s servers is full" in text
    assert "The database does not answer." not in text


def test_other_errors_are_a_500(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)
    monkeypatch.setattr(
        "django.contrib.sessions.backends.db.SessionStore.load", _failing(ValueError("a bug"))
    )
    client.cookies["sessionid"] = "a-session-of-this-test-with-32-chars"

    response = client.get("/")

    assert response.status_code == 500
    assert "Retry-After" not in response
