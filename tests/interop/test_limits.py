"""Limits that several web processes share, counted in a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client, RequestFactory

from config.supervisor import broker
from tenants.models import User
from tenants.throttle import throttled
from tests.interop.processes import free_port, running
from tests.tenants.sign_in import GOOD_PASSWORD, sign_in, text_of

pytestmark = pytest.mark.interop

ADDRESS = "127.0.0.1"
ANOTHER_PROCESS = """
import sys
import django
from django.conf import settings
settings.configure(CACHES={"default": {
    "BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": sys.argv[1]}})
django.setup()
from django.core.cache import cache
for key in cache._cache.get_client().keys("*throttle:shared*"):
    name = key.decode().split(":", 2)[2]
    cache.incr(name)
    print(name)
"""


@pytest.fixture
def shared_cache(tmp_path: Path, settings: Any) -> Iterator[str]:
    port = free_port(ADDRESS)
    options = ["--bind", ADDRESS, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    url = f"redis://{ADDRESS}:{port}/0"
    with running([broker.find_binary(), *options], tmp_path / "redis.log", ADDRESS, port):
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": url,
            }
        }
        yield url
        cache.close()


def test_processes_share_counters(shared_cache: str) -> None:
    view = throttled("shared", "2/d")(lambda request: HttpResponse("done"))
    request = RequestFactory().post("/")
    request.user = AnonymousUser()
    first = view(request)

    subprocess.run([sys.executable, "-c", ANOTHER_PROCESS, shared_cache], check=True)

    assert (first.status_code, view(request).status_code) == (200, 429)


def test_failures_count_in_shared_cache(shared_cache: str, db: None) -> None:
    person = User.objects.create_user("client@northwind.test", GOOD_PASSWORD, name="Jo")
    for number in range(5):
        sign_in(Client(REMOTE_ADDR=f"192.0.2.{number}"), person.email, "not the password")

    response = sign_in(Client(REMOTE_ADDR="192.0.2.99"), person.email)

    assert response.status_code == 429
    assert "Too many attempts" in text_of(response)
