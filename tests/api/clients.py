"""Clients of the API for tests: requests with a token, and their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tenants import api_tokens
from tenants.models import ApiToken, Tenant, User

PREFIX = "/api/v1/"


@dataclass
class ApiClient:
    """Sends JSON with one token. Each method returns the response of Django's client."""

    token: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send the body as JSON, or as it is if it is bytes. A header's _ is a hyphen."""
        names: dict[str, Any] = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic(
            method,
            path if path.startswith("/") else PREFIX + path,
            b"" if body is None else content,
            content_type=names.pop("HTTP_CONTENT_TYPE", "application/json"),
            HTTP_AUTHORIZATION=f"Bearer {self.token}",
            **names,
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, {} if body is None else body, **headers)

    def upload(self, path: str, fields: Mapping[str, Any], **headers: str) -> Any:
        """Send a form. The field `file` becomes a file, by default a text."""
        name = headers.pop("name", "note.txt")
        content = fields.get("file")
        data: dict[str, Any] = dict(fields)
        if content is not None:
            data["file"] = SimpleUploadedFile(
                name, content.encode() if isinstance(content, str) else content
            )
        names: dict[str, Any] = {f"HTTP_{each.upper()}": value for each, value in headers.items()}
        address = path if path.startswith("/") else PREFIX + path
        return self.client.post(address, data, HTTP_AUTHORIZATION=f"Bearer {self.token}", **names)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, **headers)


def client_for(
    owner: User, scope: str = "write", tenant: Tenant | None = None, name: str = "Service desk"
) -> ApiClient:
    """A client with a new token of this person."""
    expires_at = timezone.now() + timedelta(days=30)
    _, text = api_tokens.issue(
        owner=owner, name=name, scope=scope, expires_at=expires_at, tenant=tenant
    )
    return ApiClient(text)


def token_of(client: ApiClient) -> ApiToken:
    found = api_tokens.find(client.token)
    assert found is not None, "the test has issued the token"
    return found
