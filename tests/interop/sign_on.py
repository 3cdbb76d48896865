"""A browser that signs in to Gangway through the OpenID provider, and Gangway's settings for it."""

from __future__ import annotations

import html
import re
from typing import Any

import requests

from tests.interop.openid_provider import CLIENT_ID, CLIENT_SECRET, PASSWORD

PROVIDER = "127.0.0.1"
LOGIN = "/accounts/oidc/single-sign-on/login/"
ROLES = {"gangway-administrators": "administrator", "gangway-consultants": "consultant"}


def app_of(port: int) -> dict[str, Any]:
    return {
        "provider_id": "single-sign-on",
        "name": "Test provider",
        "client_id": CLIENT_ID,
        "secret": CLIENT_SECRET,
        "settings": {"server_url": f"http://{PROVIDER}:{port}/o", "oauth_pkce_enabled": True},
    }


class Browser(requests.Session):
    def token(self, response: requests.Response) -> str:
        return str(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', response.text)[0])

    def to_provider(self, gangway: str, query: str = "") -> requests.Response:
        """Press the button on the sign-in page; return the provider's page."""
        page = self.get(f"{gangway}/accounts/login/")
        assert "Sign in with Test provider" in page.text
        form = {"csrfmiddlewaretoken": self.token(page)}
        return self.post(f"{gangway}{LOGIN}?process=login{query}", form)

    def through_provider(self, gangway: str, name: str, query: str = "") -> requests.Response:
        page = self.to_provider(gangway, query)
        wanted = re.findall(r'name="next" value="([^"]+)"', page.text)[0]
        form = {
            "csrfmiddlewaretoken": self.token(page),
            "username": name,
            "password": PASSWORD,
            "next": html.unescape(wanted),
        }
        return self.post(page.url, form)

    def is_in(self, gangway: str) -> bool:
        answer = self.get(f"{gangway}/accounts/sessions/", allow_redirects=False)
        return answer.status_code == 200
