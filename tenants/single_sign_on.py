"""Single sign-on by OpenID Connect, for people who already have an account.

The library provides state, PKCE and the code exchange. This module adds four checks: the signature
of the ID token, the nonce of the sign-in, the subject of userinfo, and a verified e-mail address.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, NoReturn

import jwt
import requests
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from tenants import staff_groups
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.people import is_last_administrator
from tenants.provider_session import provider_session
from tenants.services import log_sign_in

# Never HMAC, whose key would be the client secret, and never "none".
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
CLOCK_DIFFERENCE_SECONDS = 60
PROVIDER_ID = "single-sign-on"
STORED_CLAIMS = ("sub", "email", "email_verified", "nonce", "sid")
# In a session of Gangway: the digest of the session at the provider with which it began.
SESSION_OF_PROVIDER = "provider_session"


class CodeFlow(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth is untyped
    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any
    ) -> SocialLogin:
        claims = self.verified_claims(app, str(kwargs["response"].get("id_token") or ""))
        if "email" not in claims or self._needs_groups(claims):
            claims = self._userinfo_of(str(claims["sub"]), token.token) | claims
        stored = {name: claims[name] for name in STORED_CLAIMS if name in claims}
        login = self.get_provider().sociallogin_from_response(request, {"id_token": stored})
        # Read at this sign-in only, and never stored.
        login.claims = claims
        login.refresh_token = str(kwargs["response"].get("refresh_token") or "")
        return login

    def _needs_groups(self, claims: dict[str, Any]) -> bool:
        """Whether the groups are in userinfo, if anywhere."""
        is_sent = settings.OIDC_GROUPS_CLAIM in claims or "_claim_names" in claims
        return staff_groups.are_used() and not is_sent

    def refreshed(self, refresh_token: str) -> dict[str, Any] | None:
        """The answer of the provider to a refresh token, or None if the grant has ended.

        Raises OAuth2Error for every other error, and RequestException without an answer.
        """
        app = self.get_provider().app
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        client = {"client_id": app.client_id, "client_secret": app.secret}
        auth = (app.client_id, app.secret) if self.basic_auth else None
        with self._session() as session:
            answer = session.post(
                self.access_token_url, data=fields | ({} if auth else client), auth=auth
            )
        try:
            found = answer.json()
        except ValueError as error:
            raise OAuth2Error("The provider's answer is no JSON.") from error
        if isinstance(found, dict) and answer.ok and "access_token" in found:
            return found
        # RFC 6749, section 5.2. Other errors are about Gangway, not about the person.
        if isinstance(found, dict) and found.get("error") == "invalid_grant":
            return None
        raise OAuth2Error("The provider does not refresh the token.")

    def claims_of(self, answer: dict[str, Any], *, subject: str) -> dict[str, Any]:
        """The claims of a refreshed token, with the groups.

        Raises OAuth2Error if they belong to another subject (OpenID Connect Core 1.0, 12.2).
        """
        claims: dict[str, Any] = {"sub": subject}
        if answer.get("id_token"):
            claims = self.verified_claims(self.get_provider().app, str(answer["id_token"]))
        if claims["sub"] != subject:
            raise OAuth2Error("The refreshed ID token has another subject.")
        if self._needs_groups(claims):
            claims = self._userinfo_of(subject, str(answer["access_token"])) | claims
        return claims

    def verified_claims(
        self,
        app: SocialApp,
        id_token: str,
        *,
        required: tuple[str, ...] = ("iss", "sub", "aud", "exp", "iat"),
    ) -> dict[str, Any]:
        """OpenID Connect Core 1.0, section 3.1.3.7, all but the nonce, which is with the state."""
        # OpenID Connect Discovery 1.0, section 4.3: metadata of another issuer is not used.
        configured = str(app.settings["server_url"]).rstrip("/")
        if str(self.openid_config["issuer"]).rstrip("/") != configured:
            raise OAuth2Error("The provider's metadata belongs to another issuer.")
        try:
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key=self._key(id_token),
                algorithms=ALGORITHMS,
                audience=app.client_id,
                issuer=self.openid_config["issuer"],
                leeway=CLOCK_DIFFERENCE_SECONDS,
                options={"require": list(required)},
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise OAuth2Error(f"The ID token is not valid: {error}") from error
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("The ID token is not valid: it was issued to another client.")
        return claims

    def _key(self, id_token: str) -> jwt.PyJWK:
        wanted = jwt.get_unverified_header(id_token).get("kid")
        keys = jwt.PyJWKSet.from_dict(self.published_keys()).keys
        # A provider with one key may omit its id (section 10.1).
        for key in keys:
            if key.key_id == wanted or (wanted is None and len(keys) == 1):
                return key
        raise OAuth2Error("The ID token is signed with a key the provider does not publish.")

    def published_keys(self) -> dict[str, Any]:
        """The JWK set of the provider. Raises RequestException."""
        with self._session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _userinfo_of(self, subject: str, access_token: str) -> dict[str, Any]:
        """Section 5.3.2: userinfo of another subject must not be used."""
        answer: dict[str, Any] = self._fetch_user_info(access_token)
        if answer.get("sub") != subject:
            raise OAuth2Error("The provider's userinfo has another subject.")
        used = ("email", "email_verified", settings.OIDC_GROUPS_CLAIM)
        return {name: answer[name] for name in used if name in answer}

    def _session(self) -> requests.Session:
        session: requests.Session = SingleSignOnAdapter().get_requests_session()
        return session


def digest_of_sid(sid: str) -> str:
    """The stored form of the id of a session at the provider."""
    return hashlib.sha256(sid.encode(errors="replace")).hexdigest()


def remember_session(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """Store the session at the provider, which a logout token can name later."""
    sid = sociallogin.account.extra_data.get("id_token", {}).get("sid")
    if not isinstance(sid, str) or not sid:
        return
    digest = digest_of_sid(sid)
    request.session[SESSION_OF_PROVIDER] = digest
    UserSession.objects.create_from_request(request)
    rows = UserSession.objects.filter(session_key=request.session.session_key)
    rows.update(data={SESSION_OF_PROVIDER: digest})


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # allauth is untyped
    oauth2_adapter_class = CodeFlow

    def redirect(
        self,
        request: HttpRequest,
        process: str,
        next_url: str | None = None,
        data: Any = None,
        **kwargs: Any,
    ) -> HttpResponse:
        """Redirect to the provider to sign in. Other processes in the URL are ignored."""
        nonce = secrets.token_urlsafe(24)
        response: HttpResponse = super().redirect(
            request,
            AuthProcess.LOGIN,
            next_url,
            data,
            scope=settings.OIDC_SCOPES,
            auth_params={"nonce": nonce},
            nonce=nonce,
        )
        return response


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    def get_requests_session(self) -> requests.Session:
        """Return the session for every request of the library to the provider."""
        return provider_session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> Any:
        """Accounts come from invitations, so the provider's data never fills a new user."""
        return sociallogin.user

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Provider:
        return Provider(request, app=self.get_app(request, provider=provider, client_id=client_id))

    def on_authentication_error(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Log the failure without its message, which may quote the provider's response."""
        if kwargs.get("exception") is not None:
            log_sign_in(None, ActivityName.SINGLE_SIGN_ON_REFUSED, request, reason="token")

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Accept the owner of the account, or refuse with the reason.

        The first sign-in links the provider's subject to the account. A later owner of the same
        e-mail address therefore cannot open it.
        """
        claims = sociallogin.account.extra_data["id_token"]
        nonce = str(sociallogin.state.get("nonce", ""))
        if not nonce or not hmac.compare_digest(nonce, str(claims.get("nonce", ""))):
            refuse(request, "nonce")
        if claims.get("email_verified") not in (True, "true"):
            refuse(request, "unverified")
        user = User.objects.filter(email=str(claims.get("email", "")).lower()).first()
        if user is None or not user.is_active:
            refuse(request, "unknown")
        if sociallogin.is_existing and sociallogin.user != user:
            refuse(request, "other-address")
        if not sociallogin.is_existing:
            link_account(request, sociallogin, user)
        if staff_groups.are_used() and staff_groups.concern(user):
            apply_groups(request, user, sociallogin.claims)
            staff_groups.store_grant(user, sociallogin.refresh_token)
        # For a linked account, the library has loaded the person before the role changed.
        sociallogin.user = sociallogin.account.user = user


def apply_groups(request: HttpRequest, user: User, claims: dict[str, Any]) -> None:
    """Give the person the role of the groups, or refuse the sign-in without one."""
    try:
        groups = staff_groups.groups_in(claims)
    except staff_groups.UnknownGroupsError:
        if is_last_administrator(user):
            return
        refuse(request, "unknown-groups")
    has_role = staff_groups.apply_to(user, groups)
    if not has_role:
        refuse(request, "no-role")


def link_account(request: HttpRequest, sociallogin: SocialLogin, user: User) -> None:
    """Link the provider's subject to the account, unless the account has another subject."""
    provider = sociallogin.account.provider
    if SocialAccount.objects.filter(user=user, provider=provider).exists():
        refuse(request, "other-subject")
    sociallogin.user = sociallogin.account.user = user
    sociallogin.account.save()


def refuse(request: HttpRequest, reason: str) -> NoReturn:
    log_sign_in(None, ActivityName.SINGLE_SIGN_ON_REFUSED, request, reason=reason)
    raise ImmediateHttpResponse(error_page(request, reason, 403))


def error_page(request: HttpRequest, reason: str, status: int) -> HttpResponse:
    context = {"reason": reason}
    return render(request, "socialaccount/authentication_error.html", context, status=status)


# --- Views that replace the library's under the same names


@login_not_required
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _call_library_view(OAuth2LoginView, request, provider_id)


@login_not_required
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _call_library_view(OAuth2CallbackView, request, provider_id)


def _call_library_view(view: Any, request: HttpRequest, provider_id: str) -> HttpResponse:
    try:
        response: HttpResponse = view.adapter_view(CodeFlow(request, provider_id))(request)
    except SocialApp.DoesNotExist as error:
        raise Http404("No such provider.") from error
    except requests.RequestException:
        return error_page(request, "unreachable", 502)
    return response
