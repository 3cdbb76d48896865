"""The secrets of webhooks: whsec_ and 32 random bytes in base64, stored encrypted."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from standardwebhooks import Webhook as Signer

from tenants.encryption import decrypt, encrypt
from tenants.models import Webhook

_PURPOSE = b"gangway webhooks"
PREFIX = "whsec_"


class SecretUnreadableError(Exception):
    """SECRET_KEY changed, and SECRET_KEY_FALLBACKS does not contain the former key."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def store(text: str) -> str:
    """The stored form of a secret or of a target's address."""
    return encrypt(text, _PURPOSE)


def read(stored: str) -> str:
    """The text of a stored secret or address. Raises SecretUnreadableError."""
    text = decrypt(stored, _PURPOSE)
    if text is None:
        raise SecretUnreadableError
    return text


def signed_headers(
    webhook: Webhook, message_id: str, body: str, *, now: datetime
) -> dict[str, str]:
    """The headers of Standard Webhooks: id, timestamp, and one signature for each valid secret."""
    stored = [webhook.secret]
    until = webhook.previous_secret_until
    if webhook.previous_secret and until is not None and until > now:
        stored.append(webhook.previous_secret)
    signatures = [Signer(read(each)).sign(message_id, now, body) for each in stored]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
