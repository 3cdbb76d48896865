"""The database does not answer: a page of our own, soon, and without a query."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from tenants.models import User
from tenants.unavailable import RETRY_AFTER_SECONDS


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


def test_other_errors_are_a_500(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)
    monkeypatch.setattr(
        "django.contrib.sessions.backends.db.SessionStore.load", _failing(ValueError("a bug"))
    )
    client.cookies["sessionid"] = "a-session-of-this-test-with-32-chars"

    response = client.get("/")

    assert response.status_code == 500
    assert "Retry-After" not in response
