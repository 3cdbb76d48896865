"""Fixtures of the API tests."""

from __future__ import annotations

import pytest

from tenants.models import User
from tests.api.clients import ApiClient, client_for


@pytest.fixture
def api(consultant: User) -> ApiClient:
    """A consultant's client that may write."""
    return client_for(consultant)
