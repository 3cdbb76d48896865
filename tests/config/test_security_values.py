"""Every row of docs/reference/security-values.md has the value of the code."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.access_matrix import routes
from tests.access_tables import table_under
from tests.config.test_settings import CHECKOUT, PRODUCTION

PAGE = CHECKOUT / "docs" / "reference" / "security-values.md"
# A page of the sign-in that needs no database, from a production process.
SHOW = """
import json, sys, django
from django.conf import settings
settings.STORAGES["staticfiles"]["BACKEND"] = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)
django.setup()
from django.test import Client
page = Client().get("/accounts/login/code/", secure=True, headers={"host": "gangway.example"})
names = json.loads(sys.argv[1])
session = {"secure": settings.SESSION_COOKIE_SECURE, "httponly": settings.SESSION_COOKIE_HTTPONLY,
           "samesite": settings.SESSION_COOKIE_SAMESITE, "path": settings.SESSION_COOKIE_PATH,
           "domain": settings.SESSION_COOKIE_DOMAIN or ""}
cookies = {name: dict(each.items()) for name, each in page.cookies.items()}
print(json.dumps({
    "settings": {name: getattr(settings, name) for name in names},
    "headers": dict(page.items()),
    "cookies": cookies | {settings.SESSION_COOKIE_NAME: session},
}))
"""


def _rows(heading: str) -> list[dict[str, str]]:
    rows = table_under(heading, PAGE)
    assert rows, heading
    return [{name: cell.strip("`") for name, cell in row.items()} for row in rows]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    names = [row["setting"] for row in _rows("Settings")]
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHOW, json.dumps(names)],
        cwd=CHECKOUT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "VAR_DIR": str(tmp_path_factory.mktemp("var")),
            **PRODUCTION,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    values: dict[str, Any] = json.loads(shown.stdout)
    return values


@pytest.mark.slow
def test_settings_have_the_documented_values(production: dict[str, Any]) -> None:
    documented = {row["setting"]: json.loads(row["value"]) for row in _rows("Settings")}

    assert production["settings"] == documented


def test_headers_have_the_documented_values(production: dict[str, Any]) -> None:
    documented = {row["header"]: row["value"] for row in _rows("Headers of every page")}
    sent = production["headers"]
    policy = sorted(part.strip() for part in sent["Content-Security-Policy"].split(";"))
    sent["Content-Security-Policy"] = "; ".join(policy)

    assert {name: sent.get(name) for name in documented} == documented


def test_no_header_of_protection_is_undocumented(production: dict[str, Any]) -> None:
    others = {"Content-Type", "Content-Length", "Vary", "Expires"}
    documented = {row["header"] for row in _rows("Headers of every page")}

    assert set(production["headers"]) - others == documented


def test_cookies_have_the_documented_flags(production: dict[str, Any]) -> None:
    shown = {
        name: {
            "Secure": "yes" if cookie["secure"] else "no",
            "HttpOnly": "yes" if cookie["httponly"] else "no",
            "SameSite": cookie["samesite"],
            "Path": cookie["path"],
            "Domain": cookie["domain"] or "none",
        }
        for name, cookie in production["cookies"].items()
    }

    assert shown == {row.pop("cookie"): row for row in _rows("Cookies")}


@pytest.mark.parametrize("row", _rows("Limits in the code"), ids=lambda row: row["constant"])
def test_limits_have_the_documented_values(row: dict[str, str]) -> None:
    module, _, name = row["constant"].rpartition(".")

    assert str(getattr(importlib.import_module(module), name)) == row["value"]


def test_rate_limits_are_documented() -> None:
    limited: dict[tuple[str, str, str], set[str]] = {}
    for route in routes():
        limit = getattr(route.pattern.callback, "rate_limit", None)
        if limit is not None:
            name, rate, methods = limit
            limited.setdefault((name, rate, " ".join(methods)), set()).add(route.name)

    assert limited == {
        (row["count"], row["limit"], row["methods"]): set(
            row["addresses"].replace("`", "").split(", ")
        )
        for row in _rows("Rate limits")
    }


def test_name_of_rate_limit_has_one_rate() -> None:
    """Limits of one name share a count: the lower rate would then count other requests, too."""
    rates: dict[str, set[str]] = {}
    for route in routes():
        view = route.pattern.callback
        limits = [getattr(view, "rate_limit", ("", ""))[:2]]
        limits += getattr(getattr(view, "view_class", None), "limits", {}).values()
        for name, rate in filter(all, limits):
            rates.setdefault(name, set()).add(rate)

    assert {"export", "platform-export", "webhook"} <= rates.keys()
    assert {name: found for name, found in rates.items() if len(found) > 1} == {}
