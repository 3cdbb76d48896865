"""The pages for the time in which the database does not answer, or a disk is full."""

from __future__ import annotations

import errno
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

RETRY_AFTER_SECONDS = 10
# An operator has to free space.
RETRY_AFTER_FULL_SECONDS = 60
# SQLSTATE of PostgreSQL: disk_full.
_DISK_FULL = "53100"


def error_page(request: HttpRequest) -> HttpResponse:
    """Respond 507 if a disk is full, 503 if the database failed, and 500 after any other error.

    The first two have Retry-After. Django calls it while it handles the exception. The pages need
    neither database nor session.
    """
    error = sys.exc_info()[1]
    if is_disk_full(error):
        return _page("507.html", 507, RETRY_AFTER_FULL_SECONDS)
    if isinstance(error, OperationalError | InterfaceError):
        return _page("503.html", 503, RETRY_AFTER_SECONDS)
    return server_error(request)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether the disk of the files, of PostgreSQL or of SQLite is full, or a quota is used up."""
    if isinstance(error, OperationalError):
        # SQLite's only description of the state is its message.
        is_sqlite_full = "database or disk is full" in str(error)
        return is_sqlite_full or getattr(error.__cause__, "pgcode", None) == _DISK_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _page(template: str, status: int, retry_after_seconds: int) -> HttpResponse:
    response = HttpResponse(render_to_string(template), status=status)
    response["Retry-After"] = str(retry_after_seconds)
    return response
