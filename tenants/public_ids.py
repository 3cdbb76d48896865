"""Identifiers for addresses: random, so that none can be guessed from another."""

from __future__ import annotations

import secrets


def new_public_id() -> str:
    return secrets.token_urlsafe(12)
