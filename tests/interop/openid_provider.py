"""An OpenID provider in a separate process: Django OAuth Toolkit in its usual configuration.

    python -m tests.interop.openid_provider --port 8001 --folder DIR --redirect-uri URI

Each user is named after the fault in the provider's claims; the first one has none. All have the
same password.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command

PASSWORD = "a password at the provider"
CLIENT_ID = "gangway-at-the-provider"
CLIENT_SECRET = "what only Gangway and the provider know"
# In the folder of the provider: the groups by name of a user that a test has changed.
GROUPS_FILE = "groups.json"
# The address of Gangway for logout tokens.
LOGOUT_URI = "OIDC_BACK_CHANNEL_LOGOUT_URI"
PEOPLE = (
    "in-order",
    "somebody-else",
    "unverified",
    "silent-on-verified",
    "without-account",
    "wrong-audience",
    "wrong-issuer",
    "wrong-nonce",
    "without-nonce",
    "expired",
    "forged",
    "address-in-userinfo",
    "userinfo-of-another",
    "grouped",
    "groups-in-userinfo",
    "without-groups",
    "too-many-groups",
)
SIGN_IN_PAGE = """<form method="post">{% csrf_token %}{{ form }}
<input type="hidden" name="next" value="{{ next }}"></form>"""


def address_of(name: str) -> str:
    """Assign the address of `in-order` to `somebody-else`, as happens when people leave."""
    return f"{'in-order' if name == 'somebody-else' else name}@gangway.test"


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def configure(port: int, folder: Path, logout_uri: str) -> None:
    # The provider is on loopback, so that no other machine can intercept the traffic.
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    settings.configure(
        SECRET_KEY="the provider's own, and as long as it has to be",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.interop.openid_provider_urls",
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "provider.sqlite3"}
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[_templates()],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        LOGIN_URL="/sign-in/",
        SESSION_COOKIE_NAME="provider-session",
        CSRF_COOKIE_NAME="provider-csrf",
        USE_TZ=True,
        **{LOGOUT_URI: logout_uri},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": private_key(),
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "who you are", "email": "your address"},
            "OAUTH2_VALIDATOR_CLASS": "tests.interop.openid_provider_urls.Claims",
        },
    )


def _templates() -> dict[str, Any]:
    loader = (
        "django.template.loaders.locmem.Loader",
        {"registration/login.html": SIGN_IN_PAGE},
    )
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [loader],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    }


def populate(redirect_uri: str) -> None:
    # Models can be imported only after `django.setup()`, which this process calls itself.
    from django.contrib.auth.models import User  # noqa: PLC0415
    from oauth2_provider.models import Application  # noqa: PLC0415

    for name in PEOPLE:
        User.objects.create_user(name, address_of(name), PASSWORD)
    Application.objects.create(
        name="Gangway",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=redirect_uri,
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--redirect-uri", required=True)
    asked = parser.parse_args()
    configure(asked.port, asked.folder, asked.redirect_uri.replace("login/callback/", "logout/"))
    django.setup()
    call_command("migrate", verbosity=0)
    populate(asked.redirect_uri)
    call_command("runserver", f"127.0.0.1:{asked.port}", "--noreload")


if __name__ == "__main__":
    main()
