"""The forms of the sign-in library, with our words and robust against malformed input."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm, RequestLoginCodeForm, ResetPasswordForm
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)

# The libraries raise these when a part is missing or has a type that no browser sends.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


class _EmailMixin:
    """Writes "E-mail address" as Gangway's pages do. It must precede the library's form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():  # type: ignore[attr-defined]  # the library's form has it
            if getattr(field.widget, "input_type", "") == "email":
                field.widget.attrs["placeholder"] = "E-mail address"


class SignInForm(_EmailMixin, LoginForm):  # type: ignore[misc]  # allauth is untyped
    pass


class PasswordResetForm(_EmailMixin, ResetPasswordForm):  # type: ignore[misc]  # allauth is untyped
    pass


class SignInCodeForm(_EmailMixin, RequestLoginCodeForm):  # type: ignore[misc]  # allauth is untyped
    pass


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except MALFORMED as error:
            raise get_adapter().validation_error("incorrect_code") from error
        return cleaned


class _ChallengeMixin:
    """Reads a signed challenge. It must precede the library's form in the bases."""

    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()  # type: ignore[misc]  # the library's form has it
        except MALFORMED as error:
            raise get_adapter().validation_error("incorrect_code") from error


class PasskeyLoginForm(_ChallengeMixin, LoginWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass


class PasskeyAuthenticateForm(_ChallengeMixin, AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass


class PasskeyReauthenticateForm(_ChallengeMixin, ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass
