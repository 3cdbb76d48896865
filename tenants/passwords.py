"""Passwords that guessing programs try first are refused."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from zxcvbn import zxcvbn

from tenants.models import User

# zxcvbn's scale: 3 withstands ten thousand million guesses without our hash slowing them.
MIN_SCORE = 3
# Longer ones cost time to weigh and gain nothing: what follows can only add to the guesses.
SCORED_LENGTH = 64
MAX_LENGTH = 128


class GuessablePasswordValidator:
    """Estimates guesses from breached passwords, names, words, dates and keyboard walks.

    zxcvbn carries the 30,000 most frequent passwords of published breaches, and unlike a list sees
    through the digits and capitals people add to one of them.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        if len(password) > MAX_LENGTH:
            raise ValidationError(
                f"This password is longer than {MAX_LENGTH} characters.", code="password_too_long"
            )
        personal = ["gangway", "mimecast"]
        if user is not None:
            personal += [user.email, *user.email.split("@"), *user.name.split()]
        if zxcvbn(password[:SCORED_LENGTH], user_inputs=personal)["score"] < MIN_SCORE:
            raise ValidationError(
                "This password would be guessed quickly: it is close to one from published "
                "breaches, to a common word, name or date, or to your own details. Four unrelated "
                "words make a good one.",
                code="password_guessable",
            )

    def get_help_text(self) -> str | Promise:
        return "It may not be close to a password from published breaches."
