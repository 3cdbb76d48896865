"""Fixtures of the tests of webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.receivers import allow_receivers


@pytest.fixture(autouse=True)
def receivers_are_public(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    allow_receivers(settings, monkeypatch)
