"""Staff roles from the groups of the OpenID provider.

`OIDC_GROUP_ROLES` gives each group a role. At every single sign-on, Gangway sets the role of the
person to that of the groups. Without the setting, administrators manage the roles.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from tenants import database_time, people
from tenants.encryption import decrypt, encrypt
from tenants.models import Membership, ProviderGrant, User

logger = logging.getLogger(__name__)
# A session ends after this time, so that a lost group has an effect within an hour. The provider's
# own session makes the next sign-in one click.
SESSION_TIME = timedelta(hours=1)
_PURPOSE = b"gangway provider grants"


class UnknownGroupsError(Exception):
    """The provider has more groups for the person than it sends."""


def are_used() -> bool:
    """Return whether groups decide about the roles of the staff."""
    return bool(settings.OIDC_GROUP_ROLES)


def groups_in(claims: dict[str, Any]) -> list[str]:
    """Return the groups of an ID token or of userinfo. A missing claim is no group.

    Raises UnknownGroupsError for a reference instead of groups (OpenID Connect Core 1.0, section
    5.6.2), which Microsoft Entra ID sends for people with many groups.
    """
    name = settings.OIDC_GROUPS_CLAIM
    if name in (claims.get("_claim_names") or {}):
        raise UnknownGroupsError
    value = claims.get(name, [])
    values = [value] if isinstance(value, str) else value
    return [each for each in values if isinstance(each, str)] if isinstance(values, list) else []


def role_of(groups: Sequence[str]) -> str:
    """Return the role of the first group in `OIDC_GROUP_ROLES` that the person has, or ""."""
    roles: dict[str, str] = settings.OIDC_GROUP_ROLES
    return next((role for group, role in roles.items() if group in groups), "")


def concern(person: User) -> bool:
    """Return whether the groups decide about the person: not about a member of a tenant only."""
    return bool(person.staff_role) or not Membership.objects.filter(user=person).exists()


def apply_to(person: User, groups: Sequence[str]) -> bool:
    """Set the staff role of the person to that of the groups. Return whether a role remains.

    The last administrator remains one: otherwise an error at the provider would lock everyone out.
    """
    role = role_of(groups)
    try:
        people.set_staff_role(person, role)
    except people.PeopleError:
        logger.warning("the last administrator has no group at the provider, and remains one")
        return True
    # A lost role ended the sessions. The new one needs the new version.
    person.refresh_from_db(fields=["staff_role", "session_version"])
    return bool(role) or Membership.objects.filter(user=person).exists()


def store_grant(person: User, refresh_token: str) -> None:
    """Store the refresh token of a sign-in, encrypted. Without one, an earlier grant ends.

    `tenants.provider_grants` reads the groups again with it.
    """
    if not refresh_token:
        ProviderGrant.objects.filter(user=person).delete()
        return
    values = {
        "refresh_token": encrypt(refresh_token, _PURPOSE),
        "read_at": database_time.now(),
    }
    ProviderGrant.objects.update_or_create(user=person, defaults=values)


def refresh_token_of(grant: ProviderGrant) -> str | None:
    """The refresh token, or None if the key is gone."""
    return decrypt(grant.refresh_token, _PURPOSE)


def must_use_provider(person: User) -> bool:
    """Return whether the person may sign in at the provider only, where the groups are read.

    A member of staff who never used single sign-on still can sign in without it, and so can the
    last administrator: one account remains for the time when the provider fails.
    """
    if not (are_used() and person.is_mimecast) or people.is_last_administrator(person):
        return False
    return bool(SocialAccount.objects.filter(user=person).exists())


def limit_session(request: HttpRequest) -> None:
    """End the session at a fixed time, however much it is used."""
    request.session.set_expiry(timezone.now() + SESSION_TIME)
