"""A broker that hangs costs a request two seconds once, and not at every message."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, Task
from django.conf import settings

from tenants import broker


def _do_nothing() -> None:
    pass


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Task[Any, Any]]:
    """A task whose broker accepts connections and never answers."""
    monkeypatch.setattr(broker, "_state", broker._Broker())
    # Celery prefers the variable to the argument.
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        app = Celery("hanging", broker=f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        with app:
            yield app.task(name="tests.hanging")(_do_nothing)


@pytest.mark.slow
def test_hanging_broker_is_awaited_once(hanging: Task[Any, Any]) -> None:
    before = time.monotonic()
    sent = [broker.send(hanging, ()) for _ in range(3)]

    assert sent == [False] * 3
    assert time.monotonic() - before < 3.0
