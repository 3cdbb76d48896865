"""Forms a passkey answers, made to withstand answers that no browser sends."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)

# What the libraries raise where a part is missing or of another type than a browser makes it.
MANGLED = (AttributeError, KeyError, TypeError, ValueError)


class PasskeyAdded(AddWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except MANGLED as error:
            raise get_adapter().validation_error("incorrect_code") from error
        return cleaned


class _Answer:
    """Reads a signed challenge; stands before the library's form."""

    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()  # type: ignore[misc]  # the library's form has it
        except MANGLED as error:
            raise get_adapter().validation_error("incorrect_code") from error


class PasskeySignIn(_Answer, LoginWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass


class PasskeySecond(_Answer, AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass


class PasskeyAgain(_Answer, ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass
