"""Rejects passwords that guessing programs try first."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from zxcvbn import zxcvbn

from tenants.models import User

# On zxcvbn's scale from 0 to 4, a 3 resists 10^10 guesses, even without the slow hash.
MIN_SCORE = 3
# Scoring more characters costs time. They can only raise the score.
SCORED_LENGTH = 64
MAX_LENGTH = 128


class GuessablePasswordValidator:
    """Estimates the guesses from breached passwords, names, dictionary entries, dates and key rows.

    zxcvbn contains the 30,000 most frequent passwords of published breaches. Unlike a list, it also
    recognises them with added digits and capitals.
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
                "This password is easy to guess. It resembles a password from a published "
                "breach, a common word, name or date, or your own details. Four unrelated words "
                "make a good password.",
                code="password_guessable",
            )

    def get_help_text(self) -> str | Promise:
        return "It must not resemble a password from a published breach."
