"""Second factors: which users must set one up, and the encryption of the secrets."""

from __future__ import annotations

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

from tenants.models import User

# Recovery codes alone are no second factor. They need one of these.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


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
        return _keys().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The secret, or an empty string if the key is gone. No code matches an empty secret."""
        try:
            return _keys().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            return ""


def _keys() -> MultiFernet:
    """Keys derived from SECRET_KEY, so that a stolen database alone reveals no TOTP seed."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(force_bytes(secret))) for secret in secrets])


def _derived(secret: bytes) -> bytes:
    key = HKDF(SHA256(), length=32, salt=None, info=b"gangway second factors")
    return base64.urlsafe_b64encode(key.derive(secret))
