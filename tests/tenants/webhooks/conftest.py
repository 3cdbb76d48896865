"""Fixtures of the tests of webhooks."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def loopback_is_internal(settings: Any) -> None:
    """The receivers of the tests are on loopback, as an operator's own service desk may be."""
    settings.WEBHOOK_INTERNAL_HOSTS = ["127.0.0.1"]
