"""Random identifiers for URLs. Migrations import `new_public_id`: do not rename or move it."""

from __future__ import annotations

import secrets


def new_public_id() -> str:
    return secrets.token_urlsafe(12)
