"""The groups of the staff between two sign-ins, read again with the refresh token of the provider.

A removed group then ends the role within an hour, also for API tokens, feeds and webhooks, and for
a person who never signs in again. Only a definite answer of the provider changes a role: an error,
or a provider that does not answer, changes nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import requests
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.db.models import QuerySet
from django.http import HttpRequest

from tenants import database_time, staff_groups
from tenants.models import ProviderGrant, User
from tenants.single_sign_on import PROVIDER_ID, CodeFlow

logger = logging.getLogger(__name__)
# Two attempts within an hour.
READ_EVERY = timedelta(minutes=25)


class GrantEndedError(Exception):
    """The provider has ended the grant: the account is disabled, or the session was revoked."""


def claim_due() -> list[str]:
    """The public ids of the staff whose groups are due. Each is returned to one caller."""
    if not staff_groups.are_used():
        return []
    now = database_time.now()
    due = _of_staff().filter(read_at__lte=now - READ_EVERY)
    return [
        public_id
        for pk, public_id in due.values_list("pk", "user__public_id")
        if due.filter(pk=pk).update(read_at=now)
    ]


def _of_staff() -> QuerySet[ProviderGrant]:
    return ProviderGrant.objects.filter(user__is_active=True).exclude(
        user__staff_role=User.StaffRole.NONE
    )


def read_groups(public_id: str) -> None:
    """Read the groups of one person, and set the role. An ended grant ends the role, too."""
    grant = _of_staff().select_related("user").filter(user__public_id=public_id).first()
    refresh_token = staff_groups.refresh_token_of(grant) if grant is not None else None
    if grant is None or refresh_token is None:
        return
    try:
        groups = staff_groups.groups_in(_claims(grant, refresh_token))
    except GrantEndedError:
        grant.delete()
        groups = []
    except (OAuth2Error, requests.RequestException, staff_groups.UnknownGroupsError) as error:
        logger.warning("the groups of %s are unknown: %s", public_id, type(error).__name__)
        return
    staff_groups.apply_to(grant.user, groups)


def _claims(grant: ProviderGrant, refresh_token: str) -> dict[str, Any]:
    """The claims of the person with the groups, from the ID token or from userinfo.

    Raises GrantEndedError, OAuth2Error or RequestException.
    """
    flow = CodeFlow(HttpRequest(), PROVIDER_ID)
    account = SocialAccount.objects.filter(user=grant.user, provider=PROVIDER_ID).first()
    if account is None:
        raise GrantEndedError
    answer = flow.refreshed(refresh_token)
    if answer is None:
        raise GrantEndedError
    # The provider may replace the token, which then works once.
    if answer.get("refresh_token"):
        staff_groups.store_grant(grant.user, str(answer["refresh_token"]))
    return flow.claims_of(answer, subject=account.uid)
