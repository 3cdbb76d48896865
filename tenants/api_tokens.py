"""API tokens: issue, find and revoke them.

A token has no rights of its own. A request through it has the present role of its owner, within the
scope of the token: a demotion or a deactivation takes effect with the next request.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.errors import TenantError
from tenants.models import ApiToken, Tenant, User
from tenants.permissions import Permission
from tenants.queries import tenants_for
from tenants.services import lock_people, write_activity

# Secret scanners recognise a leaked token by its prefix.
PREFIX = "gangway_"
MOST_DAYS = 366
MOST_TOKENS = 50
# The time of the last use is stored once in this time.
USE_RESOLUTION = timedelta(minutes=1)

# They change the installation, its people or the end of a tenant. A webhook sends data to another
# system, also after the end of the token that created it.
ADMINISTRATIVE = frozenset(
    {
        Permission.EDIT_GLOBAL_FREEZES,
        Permission.EDIT_TEMPLATES,
        Permission.PUBLISH_WITHOUT_GUARDS,
        Permission.MANAGE_STAFF,
        Permission.INVITE,
        Permission.MANAGE_PEOPLE,
        Permission.EXPORT_TENANT,
        Permission.CLOSE_TENANT,
        Permission.ERASE_TENANT,
        Permission.MANAGE_WEBHOOKS,
        Permission.MANAGE_ALL_WEBHOOKS,
    }
)
# Their rows name people and clients of all tenants.
_OF_ALL_TENANTS = frozenset(
    {Permission.CREATE_TENANT, Permission.MANAGE_STAFF, Permission.MANAGE_ALL_WEBHOOKS}
)


def issue(
    *,
    owner: User,
    name: str,
    scope: str,
    expires_at: datetime,
    tenant: Tenant | None = None,
) -> tuple[ApiToken, str]:
    """Create a token. Returns it with its text, which is not stored and cannot be shown again.

    Raises TenantError for a date outside the permitted time, a tenant that the owner cannot see,
    and too many tokens.
    """
    now = database_time.now()
    if not now < expires_at <= now + timedelta(days=MOST_DAYS):
        raise TenantError("Choose an expiry date in the future, within one year.")
    if tenant is not None and not tenants_for(owner).filter(pk=tenant.pk).exists():
        raise TenantError("Choose a tenant that you can see.")
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        lock_people([owner.pk])
        if usable_tokens(ApiToken.objects.filter(owner=owner), now=now).count() >= MOST_TOKENS:
            raise TenantError(f"You have {MOST_TOKENS} tokens. Revoke one of them first.")
        token = ApiToken.objects.create(
            owner=owner,
            name=name,
            scope=scope,
            tenant=tenant,
            token_hash=digest_of(text),
            created_at=now,
            expires_at=expires_at,
        )
        # Without the name, which a person entered: this log outlives the person's account.
        write_activity(
            None, ActivityName.TOKEN_CREATED, by=owner, token_id=token.public_id, scope=scope
        )
    return token, text


def revoke(token: ApiToken, *, by: User) -> None:
    """Revoke the token from the next request. A second revocation changes nothing."""
    with transaction.atomic():
        changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
            revoked_at=database_time.now(), revoked_by=by
        )
        if changed:
            write_activity(
                None,
                ActivityName.TOKEN_REVOKED,
                by=by,
                token_id=token.public_id,
                owner=token.owner.public_id,
            )


def find(text: str) -> ApiToken | None:
    """The token with this text, also an expired or revoked one."""
    found = ApiToken.objects.select_related("owner", "tenant")
    return found.filter(token_hash=digest_of(text)).first()


def digest_of(text: str) -> str:
    """SHA-256 as hex. A token has 256 random bits, so that a slow hash adds nothing."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def mark_used(token: ApiToken, *, now: datetime) -> None:
    """Store the time of the use, at most once a minute."""
    if token.last_used_at is not None and now - token.last_used_at < USE_RESOLUTION:
        return
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


def usable_tokens(tokens: QuerySet[ApiToken], *, now: datetime) -> QuerySet[ApiToken]:
    return tokens.filter(Q(revoked_at=None) & Q(expires_at__gt=now))


def tokens_of(owner: User) -> QuerySet[ApiToken]:
    """The owner's tokens, newest first, also expired and revoked ones."""
    return ApiToken.objects.filter(owner=owner).select_related("tenant", "revoked_by")


def all_tokens() -> QuerySet[ApiToken]:
    """The tokens of all people, newest first."""
    return ApiToken.objects.select_related("owner", "tenant", "revoked_by")


def covers(
    token: ApiToken, permission: Permission, *, is_write: bool, is_administrative: bool = False
) -> bool:
    """Whether the scope of the token includes the permission, for any role of its owner.

    `is_administrative`: the request needs the widest scope, also if it only reads.
    """
    if is_administrative or (is_write and permission in ADMINISTRATIVE):
        return token.scope == ApiToken.Scope.ADMINISTER
    return not is_write or token.scope != ApiToken.Scope.READ


def exceeds_tenant(permission: Permission, *, is_write: bool) -> bool:
    """Whether a token of one tenant does not reach the rows of this permission."""
    return permission.is_of_installation and (is_write or permission in _OF_ALL_TENANTS)
