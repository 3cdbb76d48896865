"""A directory that provisions the staff, with its token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tenants import provisioning_tokens
from tenants.models import User
from tests.api.clients import ApiClient

Scim = Callable[..., Any]


@pytest.fixture
def scim(administrator: User) -> Scim:
    """Send a request to /scim/v2/ with the token of the directory."""
    _, text = provisioning_tokens.issue(by=administrator)
    client = ApiClient(text)

    def send(method: str, path: str, body: Any = None, **headers: str) -> Any:
        names = {"content_type": "application/scim+json"} | headers
        return client.send(method, f"/scim/v2/{path}", body, **names)

    return send


@pytest.fixture
def roles(settings: Any) -> dict[str, str]:
    """Roles of two groups."""
    settings.OIDC_GROUP_ROLES = {"admins": "administrator", "team": "consultant"}
    return dict(settings.OIDC_GROUP_ROLES)
