"""The page for the time in which the database does not answer."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

RETRY_AFTER_SECONDS = 10


def error_page(request: HttpRequest) -> HttpResponse:
    """Respond 503 if the database failed, with Retry-After, and 500 after any other error.

    Django calls it while it handles the exception. The page needs neither database nor session.
    """
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return server_error(request)
    response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
