"""Tokens of links that work without an account: random, signed, and stored as a hash.

The salts and the values of LinkPurpose are part of links that were already sent. Never change them.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.core import signing
from django.http import HttpRequest

logger = logging.getLogger("tenants.tokens")


class LinkPurpose(StrEnum):
    """The purpose of a token. A token is invalid for every other purpose."""

    INVITATION = "invitation"
    SHARE_LINK = "hand-off"  # part of the signature of links already sent
    CALENDAR_FEED = "calendar"


class LinkState(StrEnum):
    OPEN = "open"
    EXPIRED = "expired"
    USED = "used"
    REVOKED = "revoked"
    # Altered, truncated, replaced by a newer one, or never issued. The page does not show which.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class IssuedToken:
    """The token belongs only in the link. The digest is stored."""

    token: str
    digest: str


def _signer(purpose: LinkPurpose) -> signing.Signer:
    return signing.Signer(salt=f"tenants.links.{purpose}", sep=".")


def issue_token(purpose: LinkPurpose) -> IssuedToken:
    token = _signer(purpose).sign(secrets.token_urlsafe(32))
    return IssuedToken(token, _digest(token))


def digest_of(token: str, purpose: LinkPurpose) -> str:
    """The stored digest of a token, or an empty string if the signature is wrong."""
    try:
        _signer(purpose).unsign(token)
    except signing.BadSignature:
        return ""
    return _digest(token)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def log_refused_link(
    purpose: LinkPurpose, state: LinkState, request: HttpRequest, what: str = ""
) -> None:
    """Log a refused link for the operator, without the token, which may still be valid."""
    address = request.META.get("REMOTE_ADDR", "")
    logger.warning("refused %s link (%s) from %s: %s", purpose, state, address, what or "no match")


def site_url(request: HttpRequest) -> str:
    """The base of links in e-mails: SITE_URL, or else the host of the request."""
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"
