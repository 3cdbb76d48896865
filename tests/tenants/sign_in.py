"""Helpers of the sign-in tests."""

from __future__ import annotations

import html
import re
from typing import Any

from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from tenants.models import User

GOOD_PASSWORD = "violet-anchor-mosaic-tundra"


def sign_in(client: Client, address: str, password: str = GOOD_PASSWORD) -> Any:
    return client.post(reverse("account_login"), {"login": address, "password": password})


def request_code(client: Client, address: str) -> Any:
    return client.post(reverse("account_request_login_code"), {"email": address})


def enter_code(client: Client, code: str) -> Any:
    return client.post(reverse("account_confirm_login_code"), {"code": code})


def code_in(message: EmailMessage) -> str:
    """The sign-in code, which has its own indented line."""
    return str(re.findall(r"^    (\S+)$", str(message.body), re.MULTILINE)[0])


def signed_in_as(client: Client) -> User | None:
    response: Any = client.get(reverse("usersessions_list"))
    return response.context["user"] if response.status_code == 200 else None


def text_of(response: Any) -> str:
    return html.unescape(str(response.content, encoding="utf-8"))
