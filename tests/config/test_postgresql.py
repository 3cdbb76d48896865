"""A process waits once for a database that does not answer, and not for one that refuses."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from django.db import OperationalError, connections
from django.db.backends.postgresql import base as django_base

from config.postgresql import base

# The seconds that each attempt to connect takes.
WAITS = [2.0, 0.01, 0.01]


class Network:
    def __init__(self) -> None:
        self.now, self.attempts = 1000.0, 0

    def connect(self, _: Any) -> None:
        self.now += WAITS[self.attempts]
        self.attempts += 1
        raise psycopg2.OperationalError("no answer")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(base._Server, "silent_until", 0.0)
    monkeypatch.setattr("config.postgresql.base.time.monotonic", lambda: made.now)
    monkeypatch.setattr(
        django_base.DatabaseWrapper,
        "get_new_connection",
        made.connect,
    )
    return made


def _connect() -> str:
    wrapper = base.DatabaseWrapper({**connections["default"].settings_dict, "OPTIONS": {}})
    with pytest.raises((OperationalError, psycopg2.OperationalError)) as raised:
        wrapper.get_new_connection({})
    return str(raised.value)


def test_silent_server_is_awaited_once(network: Network) -> None:
    first, second = _connect(), _connect()
    network.now += base.PAUSE_SECONDS
    third, fourth = _connect(), _connect()

    assert (first, second) == ("no answer", "the database did not answer a moment ago")
    # The third was refused at once, so that the fourth tries again.
    assert (third, fourth) == ("no answer", "no answer")
    assert network.attempts == 3
