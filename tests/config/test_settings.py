"""The settings under several environments, each in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "DEBUG": "off",
    "SECRET_KEY": "sixty-four characters which the operator has generated at random",
    "ALLOWED_HOSTS": "gangway.example",
}
SHOW = """
import json, sys
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}))
"""


def run(environment: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "VAR_DIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", SHOW, *names],
        cwd=CHECKOUT,
        env=inherited | {"DJANGO_SETTINGS_MODULE": "config.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_settings_are_strict(tmp_path: Path) -> None:
    wanted = {
        "SESSION_COOKIE_NAME": "__Host-session",
        "CSRF_COOKIE_NAME": "__Host-csrf",
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
        "STAFF_SECOND_FACTOR": True,
        "TRUSTED_PROXIES": 0,
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": "https",
    }

    shown = run(PRODUCTION | {"VAR_DIR": str(tmp_path)}, *wanted)

    assert json.loads(shown.stdout) == wanted


def test_form_action_allows_the_provider(tmp_path: Path) -> None:
    environment = {
        "OIDC_SERVER_URL": "https://id.example:8443/realms/staff/",
        "OIDC_CLIENT_ID": "gangway",
        "OIDC_CLIENT_SECRET": "a secret",
        "VAR_DIR": str(tmp_path),
    }

    shown = run(PRODUCTION | environment, "CONTENT_SECURITY_POLICY", "OIDC_SERVER_URL")

    settings = json.loads(shown.stdout)
    assert settings["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["form-action"] == [
        "'self'",
        "https://id.example:8443",
    ]
    assert settings["OIDC_SERVER_URL"] == "https://id.example:8443/realms/staff"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OIDC_SERVER_URL": "http://id.example"}, "OIDC_SERVER_URL is 'http://id.example'"),
        ({"OIDC_SERVER_URL": "id.example"}, "write an address that starts https://"),
        ({"OIDC_SERVER_URL": "https://id.example"}, "OIDC_SERVER_URL is set: set OIDC_CLIENT_ID"),
        ({"TRUSTED_PROXIES": "all"}, "TRUSTED_PROXIES is 'all'"),
        ({"TRUSTED_PROXIES": "-1"}, "write a whole number from 0 to 10"),
        ({"OIDC_GROUP_ROLES": "admins"}, "OIDC_GROUP_ROLES contains 'admins'; write group=role"),
        ({"OIDC_GROUP_ROLES": "a=owner"}, "with one of administrator, consultant, manager"),
        ({"SESSION_HOURS": "0"}, "SESSION_HOURS is '0'"),
        ({"DEBUG": "on"}, "ALLOWED_HOSTS names more than this machine: set DEBUG=off."),
        ({"STAFF_SECOND_FACTOR": "maybe"}, "STAFF_SECOND_FACTOR is 'maybe'; write on or off."),
    ],
)
def test_bad_values_are_refused_by_name(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    refused = run(PRODUCTION | environment | {"VAR_DIR": str(tmp_path)}, "DEBUG")

    assert refused.returncode == 1
    assert message in refused.stderr


@pytest.mark.slow
def test_start_imports_no_model_of_provisioning() -> None:
    """Every process would pay for it."""
    script = (
        "import django, sys; django.setup();"
        " print(bool({'pydantic', 'scim2_models', 'openpyxl'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
