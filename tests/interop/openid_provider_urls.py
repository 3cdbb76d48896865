"""The provider's responses and claims, and the ends of its sessions (Back-Channel Logout 1.0)."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import LoginView
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from jwcrypto import jwk, jwt
from oauth2_provider.models import Application
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings

from tests.interop.openid_provider import GROUPS_FILE, LOGOUT_URI

WRONG: dict[str, dict[str, Any]] = {
    "wrong-audience": {"aud": "another-client"},
    "wrong-issuer": {"iss": "https://evil.example"},
    "wrong-nonce": {"nonce": "of another sign-in"},
    "without-nonce": {"nonce": None},
    "expired": {"exp": 1_600_000_000},
}
# The groups of a user, and for one a reference to another address (Core 1.0, section 5.6.2).
GROUPS: dict[str, dict[str, Any]] = {
    "grouped": {"groups": ["everyone", "gangway-consultants", "gangway-administrators"]},
    "groups-in-userinfo": {"groups": ["gangway-consultants"]},
    "without-groups": {"groups": ["everyone"]},
    "too-many-groups": {"_claim_names": {"groups": "src1"}},
}


def groups_of(name: str) -> dict[str, Any]:
    """The groups of a user: those that a test has written, or else those of GROUPS."""
    changed: dict[str, Any] = {}
    file = Path(settings.DATABASES["default"]["NAME"]).parent / GROUPS_FILE
    if file.exists():
        changed = json.loads(file.read_text(encoding="utf-8"))
    return {"groups": changed[name]} if name in changed else GROUPS.get(name, {})


class Claims(OAuth2Validator):  # type: ignore[misc]  # the toolkit is untyped
    oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {
        "groups": "openid",
        "_claim_names": "openid",
        "sid": "openid",
    }

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        claims = {
            "email": request.user.email,
            "email_verified": request.user.username != "unverified",
        }
        if request.user.username == "silent-on-verified":
            del claims["email_verified"]
        sid = {"sid": SESSIONS[request.user.pk]} if request.user.pk in SESSIONS else {}
        return claims | groups_of(request.user.username) | sid

    def get_id_token_dictionary(self, token: Any, token_handler: Any, request: Any) -> Any:
        claims, expires = super().get_id_token_dictionary(token, token_handler, request)
        if "userinfo" in request.user.username:
            omitted = ("email", "email_verified", "groups")
            claims = {name: claims[name] for name in claims if name not in omitted}
        return claims | WRONG.get(request.user.username, {}), expires

    def finalize_id_token(
        self, id_token: dict[str, Any], token: Any, token_handler: Any, request: Any
    ) -> str:
        signed = str(super().finalize_id_token(id_token, token, token_handler, request))
        if request.user.username != "forged":
            return signed
        made = jwt.JWT(jwt=signed)
        key = jwk.JWK.generate(kty="RSA", size=2048)
        forged = jwt.JWT(
            header=made.token.objects["protected"], claims=json.dumps(id_token, default=str)
        )
        forged.make_signed_token(key)
        return str(forged.serialize())

    def get_userinfo_claims(self, request: Any) -> dict[str, Any]:
        claims: dict[str, Any] = super().get_userinfo_claims(request)
        if request.user.username == "userinfo-of-another":
            claims["sub"] = "9999"
        return claims


# The session of the last sign-in of each user: the ID token is requested right after it.
SESSIONS: dict[int, str] = {}


@receiver(user_logged_in)
def remember_session(request: HttpRequest, user: Any, **values: Any) -> None:
    SESSIONS[user.pk] = str(request.session.session_key)


def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session of this browser, and notify Gangway."""
    user, sid = request.user, request.session.session_key
    logout(request)
    return send_logout_token(user, {"sid": sid})


@csrf_exempt
def deactivate(request: HttpRequest, name: str) -> HttpResponse:
    """A person leaves the company: no token of the user works any more, and Gangway is notified."""
    user: Any = User.objects.get(username=name)
    for token in (
        *user.oauth2_provider_refreshtoken.all(),
        *user.oauth2_provider_accesstoken.all(),
    ):
        token.revoke()
    User.objects.filter(pk=user.pk).update(is_active=False)
    return send_logout_token(user, {})


def send_logout_token(user: Any, claims: dict[str, Any]) -> HttpResponse:
    """Send a signed token to Gangway. The response is Gangway's status."""
    application, now = Application.objects.get(), int(time.time())
    key = application.jwk_key
    token = jwt.JWT(
        header={"typ": "logout+jwt", "alg": "RS256", "kid": key.thumbprint()},
        claims={
            "iss": oauth2_settings.OIDC_ISS_ENDPOINT,
            "aud": application.client_id,
            "iat": now,
            "exp": now + 120,
            "jti": uuid.uuid4().hex,
            "sub": str(user.pk),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        | claims,
    )
    token.make_signed_token(key)
    address = getattr(settings, LOGOUT_URI)
    answer = requests.post(address, {"logout_token": token.serialize()}, timeout=20)
    return HttpResponse(answer.text, status=answer.status_code)


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("sign-in/", LoginView.as_view()),
    path("sign-out/", sign_out),
    path("deactivate/<str:name>/", deactivate),
]
