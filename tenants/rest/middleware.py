"""Middleware of the API: every error has the shape of problem details."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from tenants.rest.problems import CONTENT_TYPE, problem

PREFIX = "/api/v1/"
# The requests that wait, in the stream process.
_PREFIXES = (PREFIX, f"/live{PREFIX}")
_DETAILS = {
    400: "The request is malformed.",
    403: "This request is not allowed.",
    404: "No such address.",
    500: "Gangway has a fault. Its operator finds the details in the log.",
    503: "The database does not answer. Repeat the request later.",
    507: "The disk of the installation is full. Its operator has to free space.",
}


def problem_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Replace the error pages of Django below the address of the API."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code < 400 or not request.path.startswith(_PREFIXES):
            return response
        if response.get("Content-Type", "").startswith(CONTENT_TYPE):
            return response
        status = response.status_code
        detail = _DETAILS.get(status, response.reason_phrase)
        replaced = JsonResponse(problem(status, detail), status=status, content_type=CONTENT_TYPE)
        if "Retry-After" in response:
            replaced["Retry-After"] = response["Retry-After"]
        return replaced

    return middleware
