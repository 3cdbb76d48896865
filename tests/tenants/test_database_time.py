"""The default time of a row: by the known offset, without a query."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from checks.models import Check
from tenants import database_time


def test_default_of_a_row_has_the_known_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """This test may not access the database, so that a query would fail."""
    monkeypatch.setattr(database_time._measured, "offset", timedelta(hours=2))

    ahead = Check().next_due_at - timezone.now()

    assert timedelta(hours=1, minutes=59) < ahead < timedelta(hours=2, minutes=1)
