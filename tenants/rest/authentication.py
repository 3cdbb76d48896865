"""Authentication of API requests: by a token, or by the session of the pages."""

from __future__ import annotations

from rest_framework import authentication
from rest_framework.request import Request

from tenants import api_tokens, database_time
from tenants.models import ApiToken, User
from tenants.request_context import set_token
from tenants.rest.problems import ApiError

SCHEME = "Bearer"
_CHALLENGE = {"WWW-Authenticate": SCHEME}


class TokenAuthentication(authentication.BaseAuthentication):
    """The owner of the token in `Authorization: Bearer`. `request.auth` is the token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = str(request.META.get("HTTP_AUTHORIZATION", ""))
        scheme, _, text = header.partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        token = api_tokens.find(text.strip())
        if token is None or token.revoked_at is not None:
            raise _refused("invalid-token", "The token is unknown or revoked.")
        if token.expires_at <= database_time.now():
            raise _refused("expired-token", "The token has expired. Create another.")
        if not token.owner.is_active:
            raise _refused("invalid-token", "The token is unknown or revoked.")
        set_token(token.public_id, token.name)
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class PageSessionAuthentication(authentication.SessionAuthentication):
    """The session of a signed-in person. A write needs the CSRF token of the pages."""


def _refused(code: str, detail: str) -> ApiError:
    return ApiError(401, detail, code=code, headers=_CHALLENGE)
