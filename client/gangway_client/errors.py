"""Errors with a sentence for the user and an exit status."""

from __future__ import annotations

# As `manage.py probe`: a FAIL, no reliable answer, and invalid arguments.
EXIT_FAIL = 1
EXIT_UNKNOWN = 2
EXIT_USAGE = 64


class ClientError(Exception):
    """An error that the user can correct: `status` is 64."""

    status = EXIT_USAGE


class NoAnswer(ClientError):
    """The server gave no reliable answer: `status` is 2."""

    status = EXIT_UNKNOWN
