"""Second factors: which users must set one up, and the encryption of the secrets."""

from __future__ import annotations

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings

from tenants.encryption import decrypt, encrypt
from tenants.models import User

# Recovery codes alone are no second factor. They need one of these.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
_PURPOSE = b"gangway second factors"


def has_second_factor(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, type__in=FACTORS).exists())


def must_set_up(user: User) -> bool:
    """Whether every other page redirects this user to the second-factor page."""
    return settings.STAFF_SECOND_FACTOR and user.is_mimecast and not has_second_factor(user)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This code is wrong, expired or already used. Enter the current code.",
    }

    def get_totp_issuer(self) -> str:
        return "Gangway"

    def _get_site_name(self) -> str:
        return "Gangway"

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"

    def encrypt(self, text: str) -> str:
        return encrypt(text, _PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """The secret, or an empty string if the key is gone. No code matches an empty secret."""
        return decrypt(encrypted_text, _PURPOSE) or ""
