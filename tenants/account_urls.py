"""The URLs of the account pages: a selection of the sign-in library's.

Pages that change an e-mail address or connect other accounts are excluded. Sign-up is closed.
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as factor
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkey
from allauth.socialaccount import views as social
from allauth.usersessions import views as sessions
from django.core.signing import BadSignature, Signer
from django.urls import path, re_path, register_converter

from tenants import account_views, api_token_views, single_sign_on
from tenants.back_channel_logout import back_channel_logout
from tenants.equal_time import takes_equal_time
from tenants.installation_setup.administrators import is_empty_installation
from tenants.throttle import throttled


class SignedIdConverter:
    """A signed primary key: a URL never contains a number from which others can be guessed."""

    regex = r"\d+:[\w-]+"
    signer = Signer(salt="tenants.account_urls")

    def to_python(self, value: str) -> int:
        try:
            return int(self.signer.unsign(value))
        except BadSignature as error:
            raise ValueError("the signature is wrong") from error

    def to_url(self, value: int) -> str:
        return self.signer.sign(str(value))


register_converter(SignedIdConverter, "signed")

urlpatterns = [
    path(
        "login/",
        account.LoginView.as_view(extra_context={"is_empty_installation": is_empty_installation}),
        name="account_login",
    ),
    path(
        "login/code/",
        throttled("sign-in-code", "10/m")(takes_equal_time(account.request_login_code)),
        name="account_request_login_code",
    ),
    path("login/code/confirm/", account.confirm_login_code, name="account_confirm_login_code"),
    path("login/passkey/", passkey.login_webauthn, name="mfa_login_webauthn"),
    path("login/second/", factor.authenticate, name="mfa_authenticate"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("signup/", account.signup, name="account_signup"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("reauthenticate/code/", factor.reauthenticate, name="mfa_reauthenticate"),
    path(
        "reauthenticate/passkey/",
        passkey.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path(
        "password/reset/",
        # The limit is outside: a refused request must not occupy a thread for the equal time.
        throttled("reset-password", "10/m")(takes_equal_time(account.password_reset)),
        name="account_reset_password",
    ),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("second-factor/", account_views.second_factor, name="mfa_index"),
    path("second-factor/app/", totp.activate_totp, name="mfa_activate_totp"),
    path("second-factor/app/picture.svg", account_views.totp_picture, name="mfa_totp_picture"),
    path("second-factor/app/remove/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("second-factor/passkeys/", passkey.list_webauthn, name="mfa_list_webauthn"),
    path("second-factor/passkeys/add/", passkey.add_webauthn, name="mfa_add_webauthn"),
    path(
        "second-factor/passkeys/<signed:pk>/remove/",
        passkey.remove_webauthn,
        name="mfa_remove_webauthn",
    ),
    path("second-factor/recovery/", recovery.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "second-factor/recovery/new/",
        recovery.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "second-factor/recovery/download/",
        recovery.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path("sessions/", sessions.list_usersessions, name="usersessions_list"),
    path("sessions/end/", account_views.sign_out_everywhere, name="sessions-end"),
    path("tokens/", api_token_views.token_list, name="api_tokens"),
    path("tokens/add/", api_token_views.token_create, name="api_token_create"),
    path("tokens/<str:token_id>/revoke/", api_token_views.token_revoke, name="api_token_revoke"),
    path("oidc/<slug:provider_id>/login/", single_sign_on.start, name="openid_connect_login"),
    path(
        "oidc/<slug:provider_id>/login/callback/",
        single_sign_on.callback,
        name="openid_connect_callback",
    ),
    path(
        "oidc/<slug:provider_id>/logout/",
        back_channel_logout,
        name="openid_connect_back_channel_logout",
    ),
    path("oidc/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
]
