"""Random identifiers for URLs. Migrations import `new_public_id`: do not rename or move it."""

from __future__ import annotations

import secrets


def new_public_id() -> str:
    """Almost 96 random bits in 16 characters of base64url, with a letter or digit at both ends.

    A command reads a leading hyphen as an option, a spreadsheet reads it as a formula, and mail
    programs leave a final hyphen out of a link.
    """
    while True:
        public_id = secrets.token_urlsafe(12)
        if public_id[0].isalnum() and public_id[-1].isalnum():
            return public_id
