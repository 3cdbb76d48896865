"""OpenID Connect Back-Channel Logout 1.0: the provider ends sessions without a browser.

1. The provider posts a signed logout token about a person, a session of its own, or both.
2. Gangway ends the sessions of Gangway that began with that session, or all of the person. A token
   with both also ends the sessions of the person whose session at the provider is unknown.
3. It reads the groups of the person at once: a person who left loses the role, and with it API
   tokens, feeds and webhooks. A plain sign-out ends sessions only, because those rights belong to
   the person and not to a browser.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import jwt
import requests
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from tenants import database_time, outbox, staff_groups
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import end_sessions, log_sign_in
from tenants.single_sign_on import (
    CLOCK_DIFFERENCE_SECONDS,
    PROVIDER_ID,
    SESSION_OF_PROVIDER,
    CodeFlow,
    digest_of_sid,
)
from tenants.tasks import read_groups_of
from tenants.throttle import throttled

logger = logging.getLogger(__name__)
EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Longer than any provider's logout token with these claims.
LONGEST_TOKEN = 8000
# The age at which a logout token is refused, also if it expires later.
LONGEST_AGE_SECONDS = 300
RATE = "300/m"
# The explicit type of the specification (section 2.4), and what providers without it send.
_TYPES = ("logout+jwt", "application/logout+jwt", "jwt", None)


# Metadata and keys are stored, so that a stranger with false tokens causes few requests. After a
# token with an unknown key they are read again, at most once in the shorter time.
KEYS_SECONDS, UNKNOWN_KEY_SECONDS = 600, 60


class RefusedTokenError(Exception):
    """The logout token is not valid. The sentence is for the operator of the provider."""


class LogoutFlow(CodeFlow):
    """The provider's metadata and keys, stored for a while."""

    @property
    def openid_config(self) -> dict[str, Any]:
        return self._stored("metadata", lambda: super(LogoutFlow, self).openid_config)

    def published_keys(self) -> dict[str, Any]:
        return self._stored("keys", super().published_keys)

    def _key(self, id_token: str) -> jwt.PyJWK:
        try:
            return super()._key(id_token)
        except OAuth2Error:
            if not cache.add(self._name("again"), 1, UNKNOWN_KEY_SECONDS):
                raise
        cache.delete_many([self._name("metadata"), self._name("keys")])
        return super()._key(id_token)

    def _stored(self, name: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] | None = cache.get(self._name(name))
        if found is None:
            found = read()
            cache.set(self._name(name), found, KEYS_SECONDS)
        return found

    def _name(self, name: str) -> str:
        address = str(self.get_provider().app.settings["server_url"])
        return f"oidc-{name}:{hashlib.sha256(address.encode()).hexdigest()}"


@csrf_exempt
@login_not_required
@throttled("back-channel-logout", RATE, only_refusals=True)
@never_cache
def back_channel_logout(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Validate the logout token, and end the sessions. The answers are those of section 2.8."""
    try:
        flow = LogoutFlow(request, provider_id)
        app = flow.get_provider().app
    except SocialApp.DoesNotExist as error:
        raise Http404("No such provider.") from error
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        claims = _validated(flow, app, request.POST.get("logout_token", ""))
    except (RefusedTokenError, OAuth2Error) as error:
        logger.warning("a logout token was refused: %s", error)
        return _refusal(str(error), 400)
    except requests.RequestException:
        return _refusal("Gangway cannot read the keys of the provider now.", 503)
    with transaction.atomic():
        for person in _people_of(claims):
            _sign_out(person, claims, request)
        # After a fault the provider sends the token again.
        transaction.on_commit(lambda: _remember(claims), robust=True)
    return HttpResponse()


def _refusal(sentence: str, status: int) -> JsonResponse:
    content = {"error": "invalid_request", "error_description": sentence}
    return JsonResponse(content, status=status)


# --- The token


def _validated(flow: CodeFlow, app: SocialApp, token: str) -> dict[str, Any]:
    """The claims of a valid token (section 2.6). Raises RefusedTokenError or RequestException.

    The checks without a signature come first: a stranger must not cause requests to the provider.
    """
    if not token or len(token) > LONGEST_TOKEN:
        raise RefusedTokenError("The logout token is missing or too long.")
    try:
        header = jwt.get_unverified_header(token)
        unverified = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise RefusedTokenError("The logout token is no JWT.") from None
    audience = unverified.get("aud")
    issuer = str(app.settings["server_url"]).rstrip("/")
    is_for_us = app.client_id in (audience if isinstance(audience, list) else [audience])
    if not is_for_us or str(unverified.get("iss", "")).rstrip("/") != issuer:
        raise RefusedTokenError("The logout token has another issuer or audience.")
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        raise RefusedTokenError("The token is of another type.")
    _refuse_other_claims(unverified)
    claims = flow.verified_claims(app, token, required=("iss", "aud", "iat", "exp", "jti"))
    _refuse_replay(claims)
    return claims


def _refuse_other_claims(claims: dict[str, Any]) -> None:
    """An ID token has no event and may have a nonce: it must not end a session."""
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise RefusedTokenError("The token has no event of a logout.")
    if "nonce" in claims:
        raise RefusedTokenError("A logout token has no nonce.")
    named = [claims[name] for name in ("sub", "sid") if name in claims]
    if not named or not all(isinstance(each, str) and each for each in named):
        raise RefusedTokenError("A logout token names a subject or a session.")
    issued = claims.get("iat")
    oldest = database_time.now().timestamp() - LONGEST_AGE_SECONDS - CLOCK_DIFFERENCE_SECONDS
    if not isinstance(issued, int | float) or isinstance(issued, bool) or not issued > oldest:
        raise RefusedTokenError("The logout token is too old.")


def _refuse_replay(claims: dict[str, Any]) -> None:
    """Each token works once. Of two at the same time both end the same sessions."""
    if cache.get(_replay_key(claims)) is not None:
        raise RefusedTokenError("This logout token was used before.")


def _remember(claims: dict[str, Any]) -> None:
    """Store that the token was used, until its age refuses it."""
    cache.set(_replay_key(claims), 1, LONGEST_AGE_SECONDS + 2 * CLOCK_DIFFERENCE_SECONDS)


def _replay_key(claims: dict[str, Any]) -> str:
    text = str(claims["jti"]).encode(errors="replace")
    return f"logout-token:{hashlib.sha256(text).hexdigest()}"


# --- The sessions


def _people_of(claims: dict[str, Any]) -> Iterable[User]:
    """The person of the subject, or else those with a session of this session of the provider."""
    if "sub" in claims:
        accounts = SocialAccount.objects.filter(provider=PROVIDER_ID, uid=claims["sub"])
        return [account.user for account in accounts.select_related("user")]
    digest = digest_of_sid(claims["sid"])
    found = UserSession.objects.filter(**{f"data__{SESSION_OF_PROVIDER}": digest})
    return list(User.objects.filter(pk__in=found.values("user")))


def _sign_out(person: User, claims: dict[str, Any], request: HttpRequest) -> None:
    """End the sessions of the person, with `sid` only those of that session at the provider.

    With a subject also those whose session at the provider is unknown: none of them may survive.
    """
    if "sid" in claims:
        ended = {digest_of_sid(claims["sid"])} | ({None} if "sub" in claims else set())
        store = import_module(settings.SESSION_ENGINE).SessionStore
        sessions = [
            each
            for each in UserSession.objects.purge_and_list(person)
            if store(each.session_key).get(SESSION_OF_PROVIDER) in ended
        ]
        for session in sessions:
            session.end()
        is_ended = bool(sessions)
    else:
        end_sessions(person)
        is_ended = True
    if is_ended:
        log_sign_in(person, ActivityName.SIGNED_OUT, request, origin="provider")
    if staff_groups.are_used() and person.is_mimecast:
        outbox.queue_task(read_groups_of, person.public_id)
