"""Tokens of SCIM provisioning: create, find and revoke them.

A token has the rights over all staff. Two can be in use, so that a rotation interrupts nothing:
create the second, enter it in the directory, revoke the first.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from tenants import database_time
from tenants.activity import lock_installation_chain
from tenants.activity_names import ActivityName
from tenants.api_tokens import digest_of
from tenants.errors import TenantError
from tenants.models import ScimToken, User
from tenants.services import write_activity

# Secret scanners recognise a leaked token by its prefix.
PREFIX = "gangway_scim_"
MOST_TOKENS = 2
USE_RESOLUTION = timedelta(minutes=1)


def issue(*, by: User) -> tuple[ScimToken, str]:
    """Create a token. Returns it with its text, which is not stored and cannot be shown again.

    Raises TenantError if two tokens are in use.
    """
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        # Two requests at once would both see one token.
        lock_installation_chain()
        if usable_tokens().count() >= MOST_TOKENS:
            raise TenantError("Two tokens are in use. Revoke one of them first.")
        token = ScimToken.objects.create(token_hash=digest_of(text), created_by=by)
        write_activity(None, ActivityName.SCIM_TOKEN_CREATED, by=by, token_id=token.public_id)
    return token, text


def revoke(token: ScimToken, *, by: User) -> None:
    """Revoke the token from the next request. A second revocation changes nothing."""
    with transaction.atomic():
        changed = ScimToken.objects.filter(pk=token.pk, revoked_at=None).update(
            revoked_at=database_time.now(), revoked_by=by
        )
        if changed:
            write_activity(None, ActivityName.SCIM_TOKEN_REVOKED, by=by, token_id=token.public_id)


def find(text: str) -> ScimToken | None:
    """The usable token with this text. The time of the comparison does not depend on the text."""
    digest = digest_of(text)
    found = [each for each in usable_tokens() if hmac.compare_digest(each.token_hash, digest)]
    return found[0] if found else None


def mark_used(token: ScimToken, *, now: datetime) -> None:
    """Store the time of the use, at most once a minute."""
    if token.last_used_at is None or now - token.last_used_at >= USE_RESOLUTION:
        ScimToken.objects.filter(pk=token.pk).update(last_used_at=now)


def usable_tokens() -> QuerySet[ScimToken]:
    return ScimToken.objects.filter(revoked_at=None)


def all_tokens() -> QuerySet[ScimToken]:
    """All tokens, newest first, also revoked ones."""
    return ScimToken.objects.select_related("created_by", "revoked_by")
