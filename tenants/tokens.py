"""Links that stand in for an account: a random token, signed, of which only a hash is kept."""

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
    """A token made for one purpose is nothing to another."""

    INVITATION = "invitation"
    SHARE_LINK = "hand-off"  # part of the signature of links already sent


class LinkState(StrEnum):
    OPEN = "open"
    EXPIRED = "expired"
    USED = "used"
    REVOKED = "revoked"
    # Altered, cut short, replaced by a newer one, or never ours: nobody is told which.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class IssuedToken:
    """The token goes into the link and nowhere else; the digest is what is stored."""

    token: str
    digest: str


def _signer(purpose: LinkPurpose) -> signing.Signer:
    return signing.Signer(salt=f"tenants.links.{purpose}", sep=".")


def issue_token(purpose: LinkPurpose) -> IssuedToken:
    token = _signer(purpose).sign(secrets.token_urlsafe(32))
    return IssuedToken(token, _digest(token))


def digest_of(token: str, purpose: LinkPurpose) -> str:
    """What the token is stored as; empty when it does not carry our signature."""
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
    """A line for the operator. The token itself stays out of it: an open one is a key."""
    address = request.META.get("REMOTE_ADDR", "")
    logger.warning("refused %s link (%s) from %s: %s", purpose, state, address, what or "no match")


def site_url(request: HttpRequest) -> str:
    """Where links in mails lead: SITE_URL, or else the host asked for, if ALLOWED_HOSTS has it."""
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"
