"""Fixtures of the tests of people and accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def immediate_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a message of the outbox at once. The transaction of a test never commits."""

    def call(publish: Callable[[], Any]) -> None:
        publish()

    monkeypatch.setattr("tenants.outbox.transaction.on_commit", call)
