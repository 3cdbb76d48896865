"""The provider's responses and claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.urls import include, path
from jwcrypto import jwk, jwt
from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.interop.openid_provider import GROUPS_FILE

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
    }

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        claims = {
            "email": request.user.email,
            "email_verified": request.user.username != "unverified",
        }
        if request.user.username == "silent-on-verified":
            del claims["email_verified"]
        return claims | groups_of(request.user.username)

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


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("sign-in/", LoginView.as_view()),
]
