"""A signed-in person who uses the product of a drill over HTTP."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import requests

from tests.drills.drill import Drill
from tests.drills.servers import HOST

CSRF = "drill" * 6 + "ab"
# A signed-in session for each address.
SESSIONS = """
import json, sys
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from tenants.models import User
keys = {{}}
for person in User.objects.filter(email__in={addresses!r}):
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    keys[person.email] = session.session_key
print(json.dumps(keys))
"""


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Any
    seconds: float


class Visitor:
    """Requests with one session. `address` is that of the web server."""

    def __init__(self, address: str, session_key: str = "") -> None:
        self.address = address
        self._session_key = session_key
        self._session = requests.Session()
        self._session.cookies.set("csrftoken", CSRF)
        if session_key:
            self._session.cookies.set("sessionid", session_key)

    def at(self, address: str) -> Visitor:
        """The same session at another web server."""
        return Visitor(address, self._session_key)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(self, path: str, **data: str) -> Answer:
        return self._ask("POST", path, data=data)

    def upload(self, path: str, content: bytes) -> Answer:
        return self._ask("POST", path, files={"file": ("evidence.txt", content, "text/plain")})

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        before = time.monotonic()
        response = self._session.request(
            method,
            f"{self.address}{path}",
            headers={"X-CSRFToken": CSRF},
            allow_redirects=False,
            timeout=60,
            **options,
        )
        seconds = time.monotonic() - before
        return Answer(response.status_code, response.text, response.headers, seconds)


def address_of(drill: Drill) -> str:
    return f"http://{HOST}:{drill.product.port}"


def visitors(drill: Drill, *addresses: str) -> list[Visitor]:
    """A visitor for each e-mail address, in this order."""
    keys = json.loads(drill.shell(SESSIONS.format(addresses=addresses)))
    return [Visitor(address_of(drill), keys[address]) for address in addresses]
