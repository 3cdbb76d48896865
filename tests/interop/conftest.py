"""Fixtures of single sign-on: a provider in its own process, and Gangway with its settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenants.models import User
from tests.interop.openid_provider import GROUPS_FILE, PASSWORD, PEOPLE, address_of
from tests.interop.processes import free_port, running
from tests.interop.sign_on import LOGIN, PROVIDER, ROLES, app_of


@pytest.fixture(scope="module")
def provider_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("provider")


@pytest.fixture(scope="module")
def provider(live_server: Any, provider_folder: Path) -> Iterator[int]:
    """The provider's port."""
    port, folder = free_port(PROVIDER), provider_folder
    command = [sys.executable, "-m", "tests.interop.openid_provider", "--port", str(port)]
    command += ["--folder", str(folder), "--redirect-uri", f"{live_server.url}{LOGIN}callback/"]
    with running(command, folder / "provider.log", PROVIDER, port):
        yield port


@pytest.fixture
def gangway(live_server: Any, provider: int, settings: Any) -> str:
    """Gangway's address, with an account for each of the provider's users except one."""
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app_of(provider)]}}
    for name in PEOPLE:
        if name not in ("without-account", "somebody-else"):
            User.objects.create_user(address_of(name), None, name=name.title())
    return str(live_server.url)


@pytest.fixture
def groups(gangway: str, settings: Any) -> str:
    """Gangway's address, with roles for groups, and an administrator with a password only."""
    settings.OIDC_GROUP_ROLES = ROLES
    User.objects.create_user("root@gangway.test", PASSWORD, staff_role="administrator")
    return gangway


@pytest.fixture
def change_groups(provider_folder: Path) -> Iterator[Callable[[str, list[str]], None]]:
    """Change the groups of a user at the provider, until the test ends."""
    file = provider_folder / GROUPS_FILE

    def change(name: str, groups: list[str]) -> None:
        file.write_text(json.dumps({name: groups}), encoding="utf-8")

    yield change
    file.unlink(missing_ok=True)
