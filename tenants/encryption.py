"""Encryption of stored secrets with keys derived from SECRET_KEY.

A stolen database alone reveals none of them. Each purpose has keys of its own.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


def encrypt(text: str, purpose: bytes) -> str:
    return _keys(purpose).encrypt(text.encode()).decode()


def decrypt(encrypted: str, purpose: bytes) -> str | None:
    """The text, or None if it was encrypted for another purpose or with a key that is gone."""
    try:
        return _keys(purpose).decrypt(encrypted.encode()).decode()
    except InvalidToken:
        return None


def _keys(purpose: bytes) -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(force_bytes(secret), purpose)) for secret in secrets])


def _derived(secret: bytes, purpose: bytes) -> bytes:
    key = HKDF(SHA256(), length=32, salt=None, info=purpose)
    return base64.urlsafe_b64encode(key.derive(secret))
